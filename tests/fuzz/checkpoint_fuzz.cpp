// MANIFEST.json and state.json of a checkpoint, the two parts of the input; the tensors are empty and as the
// manifest of a valid checkpoint has them.
#include <cstdlib>

#include <ATen/ATen.h>

#include "checkpoint/checkpoint_store.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"
#include "trainer/run/run_checkpoint.h"

using namespace sdlora;

namespace {

// "checkpoint-step-3" of a run, made once.
const std::filesystem::path& run_directory() {
  static const std::filesystem::path run = [] {
    const std::filesystem::path directory = fuzz::folder() / "run";
    std::filesystem::create_directories(directory);
    checkpoint::save_checkpoint(directory, {.step = 3, .adapter = {}, .optimizer = {}, .state_json = "{}\n"});
    return directory;
  }();
  return run;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)run_directory();
  std::string_view state = fuzz::text_of(data, size);
  fuzz::write_file("run/checkpoint-step-3/MANIFEST.json", fuzz::take_part(state));
  fuzz::expect_orderly([&] {
    const checkpoint::Checkpoint loaded = checkpoint::load_checkpoint(run_directory() / "checkpoint-step-3");
    if (loaded.step < 0) std::abort();
  });
  fuzz::expect_orderly([&] { checkpoint::load_newest_checkpoint(run_directory()); });
  fuzz::expect_orderly([&] {
    trainer::RunState mine{.micro_batch_size = 1, .cpu_threads = 1};
    mine.settings = {{"seed", "7"}, {"max-steps", "100"}};
    const auto saved = trainer::run_state_from_json(std::string(state), "state.json");
    (void)trainer::to_json(saved);
    const Settings options({{.name = "seed", .text = "7", .default_text = "0"},
                            {.name = "max-steps", .text = "100", .default_text = "1"}});
    (void)trainer::check_resumable(saved, mine, options);
  });
  return 0;
}
