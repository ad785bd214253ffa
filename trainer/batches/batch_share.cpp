#include "trainer/batches/batch_share.h"

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::trainer {

std::vector<int64_t> BatchShare::micro_batches() const {
  std::vector<int64_t> slots;
  for (int64_t slot = first_slot; slot < first_slot + slot_count; slot += micro_batch_size)
    slots.push_back(slot);
  return slots;
}

BatchShare share_batch(int64_t batch_size, int64_t micro_batch_size, int rank, int rank_count) {
  const int64_t per_rank = batch_size / rank_count;
  const int64_t micro = micro_batch_size == 0 ? per_rank : micro_batch_size;
  if (batch_size % rank_count != 0 || micro == 0 || per_rank % micro != 0)
    throw Error(
        ExitCode::kUsage,
        {.what = "the batch cannot be shared evenly",
         .expected = "a --batch-size that ranks × micro-batch-size divides",
         .seen = fmt::format("--batch-size {}, {} ranks, --micro-batch-size {}", batch_size, rank_count,
                             micro_batch_size == 0 ? "auto" : std::to_string(micro_batch_size)),
         .advice = "change --batch-size, --micro-batch-size or the number of ranks"});
  return {.batch_size = batch_size,
          .micro_batch_size = micro,
          .first_slot = rank * per_rank,
          .slot_count = per_rank};
}

}  // namespace sdlora::trainer
