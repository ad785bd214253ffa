#include "trainer/trace.h"

#include <fstream>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/error.h"

namespace sdlora::trainer {

Trace::Trace(std::filesystem::path directory) : directory_(std::move(directory)) {
  std::error_code failure;
  if (is_on()) std::filesystem::create_directories(directory_, failure);
  if (failure)
    throw Error(ExitCode::kIo, Problem{.what = "cannot create the trace directory",
                                       .seen = failure.message(),
                                       .where = directory_.string(),
                                       .advice = "check --trace-dir"});
}

void Trace::record_adapter(const checkpoint::NamedTensors& adapter) const {
  if (is_on()) checkpoint::write_safetensors(directory_ / "adapter-init.safetensors", adapter);
}

void Trace::record_samples(int64_t step, const MicroBatch& batch, const at::Tensor& prediction) const {
  if (!is_on()) return;
  for (size_t i = 0; i < batch.slots.size(); ++i) {
    const auto row = static_cast<int64_t>(i);
    checkpoint::write_safetensors(
        directory_ / fmt::format("step-{:06}.sample-{:06}.safetensors", step + 1, batch.slots[i]),
        {{"sample_index", at::scalar_tensor(batch.sample_indices[i], at::kLong)},
         {"latents", batch.latents[row]},
         {"noise", batch.noise[row]},
         {"timestep", batch.timesteps[row]},
         {"encoder_hidden_states", batch.captions[row]},
         {"prediction", prediction[row].detach()}},
        {{"source", batch.sources[i]}});
  }
}

void Trace::record_step(int64_t step, double loss, double gradient_norm, double learning_rate,
                        bool is_skipped) const {
  if (!is_on()) return;
  const nlohmann::ordered_json line{{"step", step + 1},
                                    {"loss", loss},
                                    {"grad_norm", gradient_norm},
                                    {"learning_rate", learning_rate},
                                    {"skipped", is_skipped}};
  std::ofstream file(directory_ / "step.jsonl", step == 0 ? std::ios::trunc : std::ios::app);
  file << line.dump() << '\n';
  if (!file.flush())
    throw Error(ExitCode::kIo, Problem{.what = "cannot write the trace",
                                       .seen = system_error_text(),
                                       .where = (directory_ / "step.jsonl").string()});
}

}  // namespace sdlora::trainer
