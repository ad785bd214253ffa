#include "trainer/watching/straggler_watch.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "comm/run_program.h"
#include "common/log.h"

namespace sdlora::trainer {
namespace {

constexpr int64_t kStepsToCompare = 10;
constexpr double kSlow = 1.5;  // times the median

double median_of(std::vector<double> values) {  // the lower one of two
  std::sort(values.begin(), values.end());
  return values[(values.size() - 1) / 2];
}

}  // namespace

void StragglerWatch::add(int64_t step, double own_seconds) {
  if (world_.size() == 1) return;
  seconds_ += own_seconds;
  if (++steps_ < kStepsToCompare) return;
  const std::string own = fmt::format("{:.6f} {}", seconds_ / static_cast<double>(steps_), place_of(world_));
  seconds_ = 0;
  steps_ = 0;
  const std::vector<std::string> all = world_.gather(own);
  if (world_.rank() != 0) return;

  std::vector<double> means;
  means.reserve(all.size());
  for (const std::string& text : all) means.push_back(std::stod(text));
  const double median = median_of(means);
  const auto slowest = std::max_element(means.begin(), means.end());
  const int slow_rank = *slowest >= kSlow * median ? static_cast<int>(slowest - means.begin()) : -1;
  if (slow_rank == slow_rank_) return;
  slow_rank_ = slow_rank;
  if (slow_rank < 0) {
    log::info("no rank is slow any longer");
    return;
  }
  const std::string& text = all[static_cast<size_t>(slow_rank)];
  log::warning(
      fmt::format("{} is slow: its own work took {:.3f} s a step in the {} steps up to {}, the median "
                  "of all ranks {:.3f} s; the others wait for it",
                  text.substr(text.find(' ') + 1), *slowest, kStepsToCompare, step, median));
}

}  // namespace sdlora::trainer
