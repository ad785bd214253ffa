// What of the branches is left out of a micro-batch (kohya's LoRAModule: module, neuron and rank dropout).
// Drawn for each sample and module from an address, so that the draws depend neither on ranks nor on the
// samples beside it, and a forward that is repeated draws the same.
#pragma once

#include <cstdint>
#include <vector>

#include <ATen/core/Tensor.h>

#include "lora/dropout_rates.h"

namespace sdlora::lora {

class BranchDropout {
 public:
  explicit BranchDropout(const DropoutRates& rates) : rates_(rates) {}

  // Only while a micro-batch is trained on.
  bool is_on() const { return !sample_seeds_.empty(); }

  // Factors of a module's A x, on the CPU: [B, token_count, rank] f32, with 1 in place of token_count where
  // every token has the same. Each is 0, or the inverse of the chance that it is not (but for a whole
  // branch, which kohya does not make up for). Of each sample from the generator of
  // seed_of(sample seed, module, 0, kDropout): rand [1] for the branch, rand [token_count, rank] for the
  // numbers, rand [rank] for the ranks, each only if its rate is above 0; what is below the rate is left
  // out.
  at::Tensor draw(size_t module, int64_t token_count, int64_t rank) const;

 private:
  friend class DroppingOut;

  DropoutRates rates_;
  std::vector<uint64_t> sample_seeds_;  // of the micro-batch at hand, by row
};

// Turns dropout on for the forward of a micro-batch whose samples have these seeds; none: leaves it off.
class DroppingOut {
 public:
  DroppingOut(BranchDropout& dropout, std::vector<uint64_t> sample_seeds);
  ~DroppingOut();
  DroppingOut(const DroppingOut&) = delete;
  DroppingOut& operator=(const DroppingOut&) = delete;

 private:
  BranchDropout& dropout_;
};

}  // namespace sdlora::lora
