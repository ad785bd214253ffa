#include "lora/module_ranks.h"

#include <cmath>

#include <fmt/format.h>

#include "common/error.h"
#include "common/option_values.h"

namespace sdlora::lora {
namespace {

[[noreturn]] void refuse_rank_pattern(const std::string& text) {
  throw Error(ExitCode::kUsage,
              {.what = "--lora-rank-pattern cannot be read",
               .expected = fmt::format("REGEX=RANK or REGEX=RANK:ALPHA, with a rank of 0 to {} (0: no "
                                       "adapter there) and an alpha above 0",
                                       kLargestRank),
               .seen = text,
               .advice = "correct --lora-rank-pattern"});
}

}  // namespace

ModuleRanks::ModuleRanks(const LoraConfig& config)
    : of_lora_{.rank = config.rank, .alpha = config.alpha},
      of_convolutions_{.rank = config.conv_rank > 0 ? config.conv_rank : config.rank,
                       .alpha = config.conv_alpha > 0 ? config.conv_alpha : config.alpha},
      is_rank_stabilised_(config.is_rank_stabilised) {
  if (config.rank < 1)
    throw Error(ExitCode::kUsage, {.what = "--lora-rank is not usable",
                                   .expected = "at least 1",
                                   .seen = std::to_string(config.rank),
                                   .advice = "correct --lora-rank"});
  for (const std::string& text : config.rank_patterns) patterns_.push_back(read_pattern(text));
}

ModuleRanks::RankPattern ModuleRanks::read_pattern(const std::string& text) {
  const size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0) refuse_rank_pattern(text);
  const std::string numbers = text.substr(equals + 1);
  const size_t colon = numbers.find(':');
  int64_t rank = 0;
  if (!read_value(numbers.substr(0, colon), rank) || rank < 0 || rank > kLargestRank)
    refuse_rank_pattern(text);
  std::optional<double> alpha;
  if (colon != std::string::npos) {
    alpha.emplace();
    if (!read_value(numbers.substr(colon + 1), *alpha) || !std::isfinite(*alpha) || *alpha <= 0)
      refuse_rank_pattern(text);
  }
  return {.text = text,
          .path = Pattern(text.substr(0, equals), "--lora-rank-pattern", ExitCode::kUsage),
          .rank = rank,
          .alpha = alpha};
}

std::optional<ModuleRank> ModuleRanks::of(const std::string& path, bool is_convolution_of_several_pixels) {
  ModuleRank found = is_convolution_of_several_pixels ? of_convolutions_ : of_lora_;
  for (RankPattern& pattern : patterns_)
    if (pattern.path.is_found_in(path)) {
      pattern.is_used = true;
      if (pattern.rank == 0) return std::nullopt;
      found = {.rank = pattern.rank, .alpha = pattern.alpha.value_or(found.alpha)};
      break;
    }
  if (is_rank_stabilised_) found.alpha *= std::sqrt(static_cast<double>(found.rank));
  return found;
}

std::vector<std::string> ModuleRanks::unused_patterns() const {
  std::vector<std::string> unused;
  for (const RankPattern& pattern : patterns_)
    if (!pattern.is_used) unused.push_back(pattern.text);
  return unused;
}

}  // namespace sdlora::lora
