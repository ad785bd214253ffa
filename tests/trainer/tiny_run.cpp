#include "tests/trainer/tiny_run.h"

#include <cstdlib>

#include <ATen/Parallel.h>

namespace sdlora::trainer {

TinyRun::TinyRun(const std::vector<std::string>& options, const TinyCache& cache) {
  write_tiny_cache(folder / "cache", cache);
  std::filesystem::create_directory(folder / "run");
  std::vector<std::string> words{"trainer",
                                 "--model",
                                 std::getenv("SDLORA_TINY_MODEL"),
                                 "--data",
                                 folder / "cache",
                                 "--output",
                                 folder / "run",
                                 "--batch-size",
                                 "4",
                                 "--lora-rank",
                                 "4",
                                 "--metrics-port",
                                 "0"};
  words.insert(words.end(), options.begin(), options.end());
  std::vector<const char*> arguments;
  for (const std::string& word : words) arguments.push_back(word.c_str());
  parse_train_config(static_cast<int>(arguments.size()), arguments.data(), config);
  at::set_num_threads(1);  // as TinyTraining
}

LoadedRun TinyRun::load(int rank_count) const {
  return {config, share_batch(config.batch.size, config.batch.micro_size, /*rank=*/0, rank_count), at::kCPU};
}

}  // namespace sdlora::trainer
