#include "trainer/step/step.h"

#include <chrono>
#include <limits>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "trainer/optimizers/gradient_clipping.h"
#include "trainer/step/micro_batch_loss.h"

namespace sdlora::trainer {

using monitoring::StepPhase;

MicroBatchResult TrainingStep::compute(const MicroBatch& batch) {
  // 1. Corrupt, predict, compare
  const lora::DroppingOut dropout(adapter.dropout(), batch.dropout_seeds);
  const Prediction prediction = predict(networks, schedule, mode, batch);
  const Losses computed = losses(loss, prediction, batch);

  // 2. Backward, into the flat gradient, and into the sum
  clock.enter(StepPhase::kBackward);
  adapter.gradients().zero_();
  (computed.mean * loss_scaler.scale()).backward();
  adapter.gradients().mul_(1 / loss_scaler.scale());
  return {.prediction = prediction.output.detach(),
          .sample_losses = computed.per_sample,
          .is_usable = reducer.add(adapter.gradients(), computed.mean.detach())};
}

StepResult TrainingStep::run(int64_t step, comm::Communicator& gradients_comm, bool stop_requested) {
  const int64_t steps_done = step - 1;  // what draws and learning rates go by
  const auto start = std::chrono::steady_clock::now();
  StepResult result{};
  NonfiniteSearch nonfinite(/*asks_at_once=*/mode.device.is_cpu());
  reducer.reset();
  if (stop_requested) reducer.request_stop();
  adapter.refresh();

  // 1. and 2. for each of this rank's micro-batches of the global batch
  for (const int64_t slot : share.micro_batches()) {
    watchdog.progress(comm::Section::kStep, fmt::format("sample {}", slot));
    clock.enter(StepPhase::kDataWait);
    const MicroBatch batch = batches.make(steps_done, slot, share.micro_batch_size);
    clock.enter(StepPhase::kForward);
    const MicroBatchResult computed =
        graph == nullptr ? compute(batch)
                         : graph->run(batch, loss_scaler.scale(),
                                      [this](const MicroBatch& inputs) { return compute(inputs); });
    trace.record_samples(step, batch, computed.prediction);
    result.sample_losses.push_back({batch.timesteps, computed.sample_losses});
    nonfinite.add(batch, computed.prediction, computed.sample_losses, adapter.gradients(),
                  computed.is_usable);
  }
  clock.enter(StepPhase::kDataWait);
  if (mode.device.is_cuda())  // which has been given all of its work
    for (const int64_t slot : share.micro_batches()) batches.draw_ahead(step, slot, share.micro_batch_size);

  clock.enter(StepPhase::kReduce);
  result.nonfinite = nonfinite.found();  // here a GPU is waited for
  result.own_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  // 3. Reduce (all ranks): from here on every rank computes the same from the same
  watchdog.progress(comm::Section::kReduction, "gradients");
  ReducedStep reduced = reducer.reduce(gradients_comm, share.micro_batch_count());
  watchdog.progress(comm::Section::kStep, "update");  // never returns from a sum that was broken off
  result.loss = reduced.loss;
  result.stop_was_requested = reduced.stop_was_requested;
  result.loss_scale = loss_scaler.scale();
  const double scheduled_rate = learning_rate.at(steps_done);
  result.learning_rate = optimizer.rate_of_next_step(scheduled_rate);

  // 4. Guard: a step that is not finite anywhere is skipped everywhere
  clock.enter(StepPhase::kUpdate);
  result.is_skipped = !reduced.is_finite;
  result.is_loss_scale_search =
      result.is_skipped && reduced.nonfinite_loss_count == 0 && loss_scaler.can_be_lowered();
  loss_scaler.update(reduced.is_finite);

  // 5. Clip and update
  result.gradient_norm = std::numeric_limits<double>::quiet_NaN();
  if (!result.is_skipped) {
    result.gradient_norm = clip_gradient_norm(reduced.gradients, max_gradient_norm);
    optimizer.step(reduced.gradients, scheduled_rate);
  }
  clock.leave();
  return result;
}

}  // namespace sdlora::trainer
