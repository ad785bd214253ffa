#include "trainer/step/step.h"

#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <fmt/format.h>

namespace sdlora::trainer {
namespace {

// Mean squared error in fp32, whatever the model computes in.  [B, 4, h, w] twice → []
at::Tensor loss_of(const at::Tensor& prediction, const at::Tensor& target) {
  return at::mse_loss(prediction.to(at::kFloat), target);
}

// The same of each sample, for the metrics.  [B, 4, h, w] twice → [B]
at::Tensor sample_losses_of(const at::Tensor& prediction, const at::Tensor& target) {
  return (prediction.detach().to(at::kFloat) - target).square().mean(at::IntArrayRef{1, 2, 3});
}

}  // namespace

StepResult train_step(int64_t step, const StepSettings& settings, const StepParts& loaded,
                      comm::Communicator& gradients_comm, bool stop_requested) {
  const auto& [unet, schedule, batches, adapter, optimizer, loss_scaler, reducer, graph, trace, watchdog,
               clock] = loaded;
  using monitoring::StepPhase;
  const BatchShare& share = settings.share;
  const at::ScalarType dtype = settings.mode.dtype;
  const auto start = std::chrono::steady_clock::now();
  StepResult result{};
  NonfiniteSearch nonfinite(/*asks_at_once=*/settings.mode.device.is_cpu());
  reducer.reset();
  if (stop_requested) reducer.request_stop();

  adapter.round_parameters();

  // 1. to 3. are all that is computed of a micro-batch, and may be a CUDA graph
  const auto compute = [&](const MicroBatch& batch) -> MicroBatchResult {
    // 1. Corrupt: x_t = √ᾱ_t x + √(1-ᾱ_t) ε
    const at::Tensor noisy = schedule.add_noise(batch.latents, batch.noise, batch.timesteps);  // [B, 4, h, w]

    // 2. Predict
    const at::Tensor prediction =
        unet.forward(noisy.to(dtype), batch.timesteps, batch.text_embeddings.to(dtype));

    // 3. Loss and backward, into the flat gradient, and into the sum
    const at::Tensor target = schedule.target(batch.latents, batch.noise, batch.timesteps);  // [B, 4, h, w]
    const at::Tensor loss = loss_of(prediction, target);
    clock.enter(StepPhase::kBackward);
    adapter.gradients().zero_();
    (loss * loss_scaler.scale()).backward();
    adapter.gradients().mul_(1 / loss_scaler.scale());
    return {.prediction = prediction.detach(),
            .sample_losses = sample_losses_of(prediction, target),
            .is_usable = reducer.add(adapter.gradients(), loss.detach())};
  };

  // 4. This rank's micro-batches of the global batch
  for (const int64_t slot : share.micro_batches()) {
    watchdog.progress(comm::Section::kStep, fmt::format("sample {}", slot));
    clock.enter(StepPhase::kDataWait);
    const MicroBatch batch = batches.make(step, slot, share.micro_batch_size);
    clock.enter(StepPhase::kForward);
    const auto [prediction, sample_losses, is_usable] =
        graph != nullptr ? graph->run(batch, loss_scaler.scale(), compute) : compute(batch);
    trace.record_samples(step, batch, prediction);
    result.sample_losses.push_back({batch.timesteps, sample_losses});
    nonfinite.add(batch, prediction, sample_losses, adapter.gradients(), is_usable);
  }
  clock.enter(StepPhase::kDataWait);
  if (settings.mode.device.is_cuda())  // which has been given all of its work
    for (const int64_t slot : share.micro_batches())
      batches.draw_ahead(step + 1, slot, share.micro_batch_size);

  clock.enter(StepPhase::kReduce);
  result.nonfinite = nonfinite.found();  // here a GPU is waited for
  result.own_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  // 5. Reduce (all ranks): from here on every rank computes the same from the same
  watchdog.progress(comm::Section::kReduction, "gradients");
  ReducedStep reduced = reducer.reduce(gradients_comm, share.micro_batch_count());
  watchdog.progress(comm::Section::kStep, "update");  // never returns from a sum that was broken off
  result.loss = reduced.loss;
  result.stop_was_requested = reduced.stop_was_requested;
  result.loss_scale = loss_scaler.scale();
  result.learning_rate = settings.learning_rate.at(step);

  // 6. Guard: a step that is not finite anywhere is skipped everywhere
  clock.enter(StepPhase::kUpdate);
  result.is_skipped = !reduced.is_finite;
  result.is_loss_scale_search =
      result.is_skipped && reduced.nonfinite_loss_count == 0 && loss_scaler.can_be_lowered();
  loss_scaler.update(reduced.is_finite);

  // 7. Clip and update
  result.gradient_norm = std::numeric_limits<double>::quiet_NaN();
  if (!result.is_skipped) {
    result.gradient_norm = clip_gradient_norm(reduced.gradients, settings.max_gradient_norm);
    optimizer.step(reduced.gradients, result.learning_rate);
  }
  clock.leave();
  return result;
}

}  // namespace sdlora::trainer
