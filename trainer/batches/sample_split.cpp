#include "trainer/batches/sample_split.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/seeds.h"

namespace sdlora::trainer {
namespace {

// Of each picture the first of its content.
std::vector<size_t> first_of_its_content(size_t picture_count, const std::vector<std::string>& content) {
  std::vector<size_t> first(picture_count);
  std::unordered_map<std::string, size_t> known;
  for (size_t picture = 0; picture < picture_count; ++picture)
    first[picture] = content.empty() ? picture : known.try_emplace(content[picture], picture).first->second;
  return first;
}

std::vector<bool> choose_held_out(int64_t picture_count, double fraction, const std::vector<bool>& is_reg,
                                  const std::vector<std::string>& content) {
  const auto size = static_cast<size_t>(picture_count);
  std::vector<bool> is_held_out(size, false);
  if (fraction <= 0) return is_held_out;
  const std::vector<size_t> first = first_of_its_content(size, content);
  const auto is_eligible = [&](size_t picture) {
    return first[picture] == picture && (is_reg.empty() || !is_reg[picture]);
  };
  int64_t eligible_count = 0;
  for (size_t picture = 0; picture < size; ++picture) eligible_count += is_eligible(picture) ? 1 : 0;
  if (eligible_count < 2)
    throw Error(ExitCode::kUsage, {.what = "the data set cannot be split",
                                   .expected = "two pictures or more for --validation-split",
                                   .seen = fmt::format("{}", eligible_count),
                                   .advice = "use --validation-data, or cache more pictures"});
  const auto wanted = static_cast<int64_t>(std::llround(fraction * static_cast<double>(eligible_count)));
  int64_t count = std::clamp<int64_t>(wanted, 1, eligible_count - 1);
  const at::Tensor order =
      at::randperm(picture_count, generator_for(seed_of(0, 0, 0, Stream::kHeldOut)), at::kLong);
  for (const auto* picture = order.const_data_ptr<int64_t>(); count > 0; ++picture) {
    if (!is_eligible(static_cast<size_t>(*picture))) continue;
    is_held_out[static_cast<size_t>(*picture)] = true;
    --count;
  }
  for (size_t picture = 0; picture < size; ++picture)
    is_held_out[picture] = is_held_out[first[picture]] && (is_reg.empty() || !is_reg[picture]);
  return is_held_out;
}

}  // namespace

SampleSplit split_samples(int64_t picture_count, bool has_flip, double fraction,
                          const std::vector<bool>& is_reg, const std::vector<std::string>& content) {
  const std::vector<bool> is_held_out = choose_held_out(picture_count, fraction, is_reg, content);
  SampleSplit split;
  for (int64_t sample = 0; sample < picture_count * (has_flip ? 2 : 1); ++sample) {
    const bool is_out = is_held_out[static_cast<size_t>(sample % picture_count)];
    (is_out ? split.held_out : split.training).push_back(sample);
  }
  return split;
}

}  // namespace sdlora::trainer
