// A sum of fp32 vectors whose result does not depend on the order or the grouping of its terms, so that any number of
// ranks gives the same bytes. Fixed point in two int64 words per element (a small superaccumulator: Kulisch 1976;
// Demmel and Nguyen 2015, "Parallel reproducible summation"), history-free:
//
//   value = high * 2^-40 + low * 2^-84,   0 <= low < 2^44 per term
//
// Integer addition is associative, so micro-batches, ranks and the network may add in any order. Terms are exact down to
// 2^-84 (5e-26), below which they are rounded to nearest even; |sum| < 2^22 (4e6). `low` has room for 2^19 terms.
// A term that is not finite, or outside the range, is counted instead of added: the step is then skipped by all ranks.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace sdlora::comm {

class ExactSum {
 public:
  // `extra_count`: int64 counters that travel in the same message (flags, sample counts), read back by counter().
  ExactSum(int64_t element_count, int64_t extra_count, at::Device device);

  void reset();

  // Adds fp32 `terms` [k] to the elements first … first+k-1. Any device of the constructor's; no host sync.
  void add(int64_t first, const at::Tensor& terms);

  void add_to_counter(int64_t index, int64_t value);

  // What to all-reduce (SUM of int64), in place: [high…, low…, out-of-range count, counters…]
  at::Tensor& words() { return words_; }

  // After the reduction: the sums, rounded once from the exact value to fp64 and once to fp32. [element_count] f32
  at::Tensor totals() const;

  // After the reduction: how many terms of all ranks were not finite or out of range.
  int64_t out_of_range_count() const;
  int64_t counter(int64_t index) const;

 private:
  int64_t element_count_;
  at::Tensor words_;  // [2 * element_count + 1 + extra_count] i64
};

}  // namespace sdlora::comm
