#include "trainer/batches/sample_split.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/seeds.h"

namespace sdlora::trainer {
namespace {

std::vector<bool> choose_held_out(int64_t picture_count, double fraction, const std::vector<bool>& is_reg) {
  std::vector<bool> is_held_out(static_cast<size_t>(picture_count), false);
  if (fraction <= 0) return is_held_out;
  const int64_t eligible_count = picture_count - std::count(is_reg.begin(), is_reg.end(), true);
  if (eligible_count < 2)
    throw Error(ExitCode::kUsage, {.what = "the data set cannot be split",
                                   .expected = "two pictures or more for --validation-split",
                                   .seen = fmt::format("{}", eligible_count),
                                   .advice = "use --validation-data, or cache more pictures"});
  const auto wanted = static_cast<int64_t>(std::llround(fraction * static_cast<double>(eligible_count)));
  int64_t count = std::clamp<int64_t>(wanted, 1, eligible_count - 1);
  const at::Tensor order =
      at::randperm(picture_count, generator_for(seed_of(0, 0, 0, Stream::kHeldOut)), at::kLong);
  const auto* picture = order.const_data_ptr<int64_t>();
  for (; count > 0; ++picture) {
    const auto index = static_cast<size_t>(*picture);
    if (!is_reg.empty() && is_reg[index]) continue;
    is_held_out[index] = true;
    --count;
  }
  return is_held_out;
}

}  // namespace

SampleSplit split_samples(int64_t picture_count, bool has_flip, double fraction,
                          const std::vector<bool>& is_reg) {
  const std::vector<bool> is_held_out = choose_held_out(picture_count, fraction, is_reg);
  SampleSplit split;
  for (int64_t sample = 0; sample < picture_count * (has_flip ? 2 : 1); ++sample) {
    const bool is_out = is_held_out[static_cast<size_t>(sample % picture_count)];
    (is_out ? split.held_out : split.training).push_back(sample);
  }
  return split;
}

}  // namespace sdlora::trainer
