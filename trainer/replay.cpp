#include "trainer/replay.h"

#include <cmath>
#include <map>
#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "common/log.h"
#include "common/shown_text.h"
#include "lora/targets.h"
#include "model/model_source.h"
#include "trainer/batches/sample_file.h"
#include "trainer/run/loaded_run.h"
#include "trainer/step/micro_batch_loss.h"
#include "trainer/step/nonfinite_record.h"

namespace sdlora::trainer {
namespace {

constexpr size_t kShownTextBytes = 300;

struct Computed {
  double loss;           // mean squared error, as it is recorded
  double gradient_norm;  // of its part in the micro-batch's mean
  bool is_usable;        // as the step's sum over the ranks sees it: finite and not too large
};

model::ComputeMode compute_mode_of(const std::filesystem::path& directory, const NonfiniteRecord& record,
                                   at::Device device) {
  model::ComputeMode mode =
      model::compute_mode_on(device, dtype_of(record.mixed_precision), record.cpu_kernels);
  mode.keeps_weight = lora::weights_to_keep(record.lora);
  mode.expected_latents = record.expected_latents;
  if (record.samples.empty() || mode.expected_latents.cells() > 0) return mode;
  const at::Tensor latents =
      read_sample_file(directory / sample_file_name(record.step, record.samples.front().slot), at::kCPU)
          .latents;
  mode.expected_latents = {latents.size(2), latents.size(3)};
  return mode;
}

// The recorded step's model with its adapter.
class Replayer {
 public:
  Replayer(const std::filesystem::path& directory, const NonfiniteRecord& record,
           const std::filesystem::path& model, at::Device device)
      : directory_(directory),
        record_(record),
        mode_(compute_mode_of(directory, record, device)),
        model_source_(model),
        unet_(model_source_.load_unet(mode_)),
        text_reader_(load_trained_reader(record.lora, model_source_, record.reading, mode_)),
        schedule_(model_source_.load_noise_schedule(record.schedule)),
        adapter_(unet_, record.lora, /*run_seed=*/0, device,
                 text_reader_ ? &text_reader_->encoder() : nullptr),
        reducer_(make_reducer(record.reduction, adapter_.parameter_count(), device)) {
    adapter_.load(checkpoint::read_safetensors(directory / "adapter.safetensors"));
    if (model_source_.hash_like(model::ModelPart::kUnet, record.model_hash) != record.model_hash)
      log::warning("the UNet in " + model.string() + " is not the one that the step was recorded with");
    if (text_reader_ && model_source_.hash_like(model::ModelPart::kTextEncoder, record.text_encoder_hash) !=
                            record.text_encoder_hash)
      log::warning("the text encoder in " + model.string() +
                   " is not the one that the step was recorded with");
  }

  // Forward and backward of one sample, scaled as in its micro-batch (step.cpp, 1 and 2).
  Computed compute(const NonfiniteSample& sample) {
    const MicroBatch batch =
        read_sample_file(directory_ / sample_file_name(record_.step, sample.slot), mode_.device);
    const lora::DroppingOut dropout(adapter_.dropout(), batch.dropout_seeds);
    const Losses computed =
        losses(record_.loss,
               predict({.unet = unet_, .text_reader = text_reader_.get()}, schedule_, mode_, batch), batch);
    adapter_.gradients().zero_();
    (computed.mean * (record_.loss_scale / static_cast<double>(record_.micro_batch_size))).backward();
    adapter_.gradients().mul_(1 / record_.loss_scale);
    at::Tensor& sum =
        sums_.try_emplace(sample.micro_batch, at::zeros_like(adapter_.gradients())).first->second;
    sum.add_(adapter_.gradients());
    reducer_->reset();
    return {.loss = computed.per_sample.item<double>(),
            .gradient_norm = adapter_.gradients().norm().item<double>(),
            .is_usable = reducer_->add(adapter_.gradients(), computed.mean.detach()).item<bool>()};
  }

  // What the step saw: the gradients of a micro-batch's samples together, as far as they are recorded.
  bool is_usable_together(int64_t micro_batch) {
    reducer_->reset();
    const at::Tensor& sum = sums_.at(micro_batch);
    return reducer_->add(sum, at::zeros({}, sum.options())).item<bool>();
  }

 private:
  std::filesystem::path directory_;
  const NonfiniteRecord& record_;
  model::ComputeMode mode_;
  model::ModelSource model_source_;
  model::UNet unet_;
  std::unique_ptr<model::ClipTextReader> text_reader_;  // where its text encoder was trained
  model::NoiseSchedule schedule_;
  lora::Adapter adapter_;
  std::unique_ptr<GradientReducer> reducer_;
  std::map<int64_t, at::Tensor> sums_;  // of gradients, by micro-batch
};

// NaN, infinity and numbers are three kinds; a number may differ in its last digits on another machine.
std::string kind_of_loss(const std::string& loss) {
  return loss == "nan" || loss.ends_with("inf") ? loss : "finite";
}

}  // namespace

void replay(const TrainConfig& config, const comm::Communicator& world, at::Device device,
            comm::Watchdog& watchdog) {
  const std::filesystem::path& directory = config.process.replay_directory;
  if (world.size() > 1)
    throw Error(ExitCode::kUsage, {.what = "--replay is a job for one rank",
                                   .seen = fmt::format("{} ranks", world.size()),
                                   .advice = "run it without mpirun"});
  const NonfiniteRecord record = read_nonfinite_record(directory);
  Replayer replayer(directory, record, config.places.model.empty() ? record.model : config.places.model,
                    device);
  log::info(fmt::format("replay of step {}: {} sample(s), recorded with {} CPU thread(s) a rank", record.step,
                        record.samples.size(), record.cpu_threads));
  std::set<int64_t> unexplained;  // micro-batches
  std::vector<std::string> differences;
  for (const NonfiniteSample& sample : record.samples) unexplained.insert(sample.micro_batch);
  for (const NonfiniteSample& sample : record.samples) {
    watchdog.progress(comm::Section::kStep, fmt::format("sample of slot {}", sample.slot));
    const Computed computed = replayer.compute(sample);
    const std::string loss = loss_text(computed.loss);
    log::info(fmt::format(
        "slot {:4}  sample {:6}  {}: loss {} (recorded {}), gradient norm {}: {}; text \"{}\"", sample.slot,
        sample.sample_index, sample.source, loss, sample.loss, loss_text(computed.gradient_norm),
        computed.is_usable ? "usable" : "not finite or too large to be summed",
        shown_line(sample.text, kShownTextBytes)));
    if (!computed.is_usable) unexplained.erase(sample.micro_batch);
    if (kind_of_loss(loss) != kind_of_loss(sample.loss))
      differences.push_back(fmt::format("slot {}: loss {}, recorded {}", sample.slot, loss, sample.loss));
  }
  std::erase_if(unexplained, [&](int64_t micro_batch) { return !replayer.is_usable_together(micro_batch); });
  for (const int64_t slot : unexplained)
    differences.push_back(fmt::format("micro-batch of slot {}: every loss and gradient can be used", slot));
  if (!differences.empty())
    throw Error(ExitCode::kMismatch,
                {.what = fmt::format("step {} is not reproduced here", record.step),
                 .expected = "what is not finite in " + (directory / "step.json").string(),
                 .seen = fmt::format("{}", fmt::join(differences, "; ")),
                 .where = device.str(),
                 .advice = "replay on the machine, device and build that recorded it; if it is finite "
                           "there too, suspect its hardware"});
  log::info(fmt::format("step {} is reproduced as recorded", record.step));
}

}  // namespace sdlora::trainer
