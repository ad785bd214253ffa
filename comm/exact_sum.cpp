#include "comm/exact_sum.h"

#include <atomic>

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "comm/fixed_point.h"
#include "comm/fixed_point_ops.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

// Elements per task: 16 bytes of words each, so a task's share stays within a core's cache.
constexpr int64_t kGrain = 32768;

void check_terms(const at::Tensor& terms, const at::Tensor& words, int64_t first, int64_t element_count) {
  const bool fits = first >= 0 && first + terms.numel() <= element_count;
  if (terms.scalar_type() == at::kFloat && terms.device() == words.device() && fits) return;
  throw Error(
      ExitCode::kInternal,
      {.what = "terms do not belong to this sum",
       .expected = fmt::format("float32 on {}, within elements 0 to {}", words.device().str(), element_count),
       .seen = fmt::format("{} on {}, elements {} to {}", c10::toString(terms.scalar_type()),
                           terms.device().str(), first, first + terms.numel())});
}

}  // namespace

ExactSum::ExactSum(int64_t element_count, int64_t extra_count, at::Device device)
    : element_count_(element_count),
      extra_count_(extra_count),
      words_(at::zeros({2 * element_count + 1 + extra_count}, at::dtype(at::kLong).device(device))) {}

void ExactSum::reset() {
  words_.zero_();
}

at::Tensor ExactSum::high(int64_t first, int64_t count) const {
  return words_.narrow(0, first, count);
}

at::Tensor ExactSum::low(int64_t first, int64_t count) const {
  return words_.narrow(0, element_count_ + first, count);
}

at::Tensor ExactSum::tail(int64_t index) const {
  if (index < 0 || index > extra_count_)
    throw Error(ExitCode::kInternal, {.what = "no such counter in this sum",
                                      .expected = fmt::format("below {}", extra_count_),
                                      .seen = fmt::format("{}", index - 1)});
  return words_.select(0, 2 * element_count_ + index);
}

void ExactSum::add(int64_t first, const at::Tensor& terms) {
  check_terms(terms, words_, first, element_count_);
  const at::Tensor flat = terms.contiguous().view(-1);
  const int64_t count = flat.numel();
  at::Tensor high_words = high(first, count);
  at::Tensor low_words = low(first, count);
  at::Tensor refused = tail(0);
  if (!words_.is_cpu()) return fixed_point::add_terms(flat, high_words, low_words, refused);

  const float* values = flat.const_data_ptr<float>();
  auto* highs = high_words.mutable_data_ptr<int64_t>();
  auto* lows = low_words.mutable_data_ptr<int64_t>();
  std::atomic<int64_t> refused_count = 0;
  at::parallel_for(0, count, kGrain, [&](int64_t begin, int64_t end) {
    refused_count += fixed_point::add_terms(values + begin, end - begin, highs + begin, lows + begin);
  });
  *refused.mutable_data_ptr<int64_t>() += refused_count;
}

void ExactSum::add_to_counter(int64_t index, int64_t value) {
  tail(1 + index).add_(value);
}

at::Tensor ExactSum::totals() const {
  const at::Tensor high_words = high(0, element_count_);
  const at::Tensor low_words = low(0, element_count_);
  if (!words_.is_cpu()) return fixed_point::round_sums(high_words, low_words);

  at::Tensor sums = at::empty({element_count_}, at::kFloat);
  const auto* highs = high_words.const_data_ptr<int64_t>();
  const auto* lows = low_words.const_data_ptr<int64_t>();
  auto* values = sums.mutable_data_ptr<float>();
  at::parallel_for(0, element_count_, kGrain, [&](int64_t begin, int64_t end) {
    fixed_point::round_sums(highs + begin, lows + begin, end - begin, values + begin);
  });
  return sums;
}

void ExactSum::add_to_counter(int64_t index, const at::Tensor& value) {
  tail(1 + index).add_(value);
}

int64_t ExactSum::out_of_range_count() const {
  return tail(0).item<int64_t>();
}

int64_t ExactSum::counter(int64_t index) const {
  return tail(1 + index).item<int64_t>();
}

}  // namespace sdlora::comm
