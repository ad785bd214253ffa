#include "trainer/rehearsal.h"

#include <algorithm>
#include <iostream>

#include <c10/core/CachingDeviceAllocator.h>
#include <fmt/format.h>

#include "comm/fail_together.h"
#include "common/log.h"
#include "common/shown_text.h"
#include "data/captions/captions.h"
#include "data/captions/long_captions.h"
#include "monitoring/memory/resident_memory.h"

namespace sdlora::trainer {
namespace {

constexpr int64_t kStepsLookedThrough = 100;

// Of this rank's micro-batches in the steps to come the one of the largest pictures.
MicroBatch largest_micro_batch(const TrainConfig& config, LoadedRun& loaded, int64_t steps_done) {
  const std::vector<int64_t> slots = loaded.share.micro_batches();
  int64_t largest_step = steps_done, largest_slot = slots.front(), largest_area = 0;
  const int64_t end = std::min(config.schedule.max_steps, steps_done + kStepsLookedThrough);
  for (int64_t step = steps_done; loaded.dataset.has_several_sizes() && step < end; ++step)
    for (const int64_t slot : slots) {
      const int64_t sample = loaded.batches.draw_text(step, slot).sample_index;
      const int64_t area = loaded.dataset.size_of(sample).area();
      if (area <= largest_area) continue;
      largest_area = area;
      largest_step = step;
      largest_slot = slot;
    }
  return loaded.batches.make(largest_step, largest_slot, loaded.share.micro_batch_size);
}

// The texts of the first samples, with what of each CLIP does not see.
void show_captions(const TrainConfig& config, LoadedRun& loaded, int64_t first_step) {
  const int64_t batch_size = config.batch.size;
  const int64_t shown =
      std::min(config.captions.shown_count, (config.schedule.max_steps - first_step) * batch_size);
  if (shown <= 0) return;
  const model::ClipTokenizer tokenizer = loaded.model_source.load_tokenizer();
  const int64_t room = model::token_room(tokenizer, loaded.dataset.reading());
  for (int64_t place = 0; place < shown; ++place) {
    const int64_t steps_done = first_step + place / batch_size, slot = place % batch_size;
    const DrawnText drawn = loaded.batches.draw_text(steps_done, slot);
    const std::string lost = data::words_lost(tokenizer, room, drawn.text);
    std::cout << fmt::format("step {}, {}: \"{}\"{}\n", steps_done + 1,
                             loaded.dataset.sample(drawn.sample_index).source,
                             shown_line(drawn.text, data::kLongestCaptionBytes),
                             lost.empty() ? "" : fmt::format(", cut before \"{}\"", lost));
  }
}

std::string memory_taken(at::Device device) {
  std::string text = in_words(monitoring::resident_memory());
  if (!device.is_cuda()) return text;
  constexpr auto kOfAllPools = static_cast<size_t>(c10::CachingAllocator::StatType::AGGREGATE);
  constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;
  const auto statistics = c10::getDeviceAllocator(device.type())->getDeviceStats(device.index());
  return text + fmt::format(", on the GPU {:.2f} GiB peak in {:.2f} GiB that are reserved",
                            static_cast<double>(statistics.allocated_bytes[kOfAllPools].peak) / kGibibyte,
                            static_cast<double>(statistics.reserved_bytes[kOfAllPools].peak) / kGibibyte);
}

}  // namespace

void rehearse(const TrainConfig& config, LoadedRun& loaded, int64_t steps_done, comm::Communicator& world,
              comm::Watchdog& watchdog) {
  comm::fail_together(world, [&] {
    if (world.rank() == 0) show_captions(config, loaded, steps_done);
    watchdog.progress(comm::Section::kStep, "trying a micro-batch");
    monitoring::PhaseClock clock;
    TrainingStep step = loaded.training_step(config, watchdog, clock);
    loaded.adapter.refresh();
    const MicroBatchResult computed = step.compute(largest_micro_batch(config, loaded, steps_done));
    if (computed.is_usable.item<bool>()) return;
    log::warning(
        "the loss or gradient of the micro-batch that was tried is not finite: a step of the run "
        "would be skipped");
  });
  watchdog.progress(comm::Section::kFinish, "collecting the ranks' memory");
  const std::vector<std::string> all = world.gather(memory_taken(loaded.mode.device));  // (all ranks)
  if (world.rank() != 0) return;
  for (size_t rank = 0; rank < all.size(); ++rank)
    log::info(fmt::format("memory of rank {}, with a micro-batch of {} tried: {}", rank,
                          loaded.share.micro_batch_size, all[rank]));
}

}  // namespace sdlora::trainer
