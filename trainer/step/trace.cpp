#include "trainer/step/trace.h"

#include <fstream>

#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "trainer/batches/sample_file.h"

namespace sdlora::trainer {

Trace::Trace(std::filesystem::path directory) : directory_(std::move(directory)) {
  std::error_code failure;
  if (is_on()) std::filesystem::create_directories(directory_, failure);
  if (failure)
    throw Error(ExitCode::kIo, {.what = "cannot create the trace directory",
                                .seen = failure.message(),
                                .where = directory_.string(),
                                .advice = "check --trace-dir"});
}

void Trace::record_adapter(const checkpoint::NamedTensors& adapter) const {
  if (is_on()) checkpoint::write_safetensors(directory_ / "adapter-init.safetensors", adapter);
}

void Trace::record_samples(int64_t step, const MicroBatch& batch, const at::Tensor& prediction) const {
  if (!is_on()) return;
  for (size_t row = 0; row < batch.slots.size(); ++row)
    write_sample_file(directory_ / sample_file_name(step, batch.slots[row]), batch, row, prediction);
}

void Trace::record_step(int64_t step, double loss, double gradient_norm, double learning_rate,
                        bool is_skipped) const {
  if (!is_on()) return;
  const nlohmann::ordered_json line{{"step", step},
                                    {"loss", loss},
                                    {"grad_norm", gradient_norm},
                                    {"learning_rate", learning_rate},
                                    {"skipped", is_skipped}};
  std::ofstream file(directory_ / "step.jsonl", step == 1 ? std::ios::trunc : std::ios::app);
  file << line.dump() << '\n';
  if (!file.flush())
    throw Error(ExitCode::kIo, {.what = "cannot write the trace",
                                .seen = system_error_text(),
                                .where = (directory_ / "step.jsonl").string()});
}

}  // namespace sdlora::trainer
