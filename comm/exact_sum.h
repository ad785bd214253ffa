// A sum of fp32 vectors whose result does not depend on the order or the grouping of its terms, so that any
// number of ranks gives the same bytes. Fixed point in two int64 words per element (a small superaccumulator:
// Kulisch 1976; Demmel and Nguyen 2015, "Parallel reproducible summation"), history-free; the format and its
// proof are in fixed_point.h.
//
// Integer addition is associative, so micro-batches, ranks and the network may add in any order, and even the
// words are the same. Terms of 2^-57 (7e-18) and more are added exactly, smaller ones to the nearest 2^-80
// (8e-25). Each element may get fixed_point::kMaxTerms (32768) terms over all ranks. A term that is not
// finite, or is 65536 or more in magnitude, is counted instead of added: the step is then skipped by all
// ranks.
#pragma once

#include <cstdint>

#include <ATen/core/Tensor.h>

namespace sdlora::comm {

class ExactSum {
 public:
  // `extra_count`: int64 counters that travel in the same message (flags, sample counts), read back by
  // counter().
  ExactSum(int64_t element_count, int64_t extra_count, at::Device device);

  void reset();

  // Adds fp32 `terms` [k] (or any shape of k elements) to the elements first … first+k-1. Any device of the
  // constructor's; no host sync. Throws Error(kInternal) for terms of another kind, device or place.
  void add(int64_t first, const at::Tensor& terms);

  void add_to_counter(int64_t index, int64_t value);
  void add_to_counter(int64_t index, const at::Tensor& value);  // [] i64 on the sum's device

  // What to all-reduce (SUM of int64), in place: [high…, low…, out-of-range count, counters…]
  at::Tensor& words() { return words_; }

  // After the reduction: the exact sums rounded once to fp32, to nearest, ties to even. [element_count] f32.
  // No host sync.
  at::Tensor totals() const;

  // How many terms were not finite or out of range: before the reduction of this rank, after it of all ranks.
  // [] i64, a view of the words. No host sync.
  at::Tensor out_of_range() const { return tail(0); }

  // These two wait for the device.
  int64_t out_of_range_count() const;
  int64_t counter(int64_t index) const;

 private:
  at::Tensor high(int64_t first, int64_t count) const;
  at::Tensor low(int64_t first, int64_t count) const;
  at::Tensor tail(int64_t index) const;  // 0: out-of-range count; 1 + i: counter i

  int64_t element_count_;
  int64_t extra_count_;
  at::Tensor words_;  // [2 * element_count + 1 + extra_count] i64
};

}  // namespace sdlora::comm
