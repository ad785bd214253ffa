#include "trainer/options/interval.h"

#include <fmt/format.h>

namespace sdlora::trainer {
namespace {

constexpr int64_t kMostIntervalSteps = int64_t{1} << 40, kMostIntervalEpochs = 1'000'000;

}  // namespace

bool Interval::is_due(int64_t steps_done, const EpochLength& epoch) const {
  if (is_never()) return false;
  if (!is_of_epochs) return steps_done % count == 0;
  return steps_done == 0 || epoch.epochs_in(steps_done) / count > epoch.epochs_in(steps_done - 1) / count;
}

bool read_value(const std::string& text, Interval& value) {
  const size_t unit = text.find('e');
  const bool is_of_epochs = unit != std::string::npos;
  if (is_of_epochs && text.substr(unit) != "epoch" && text.substr(unit) != "epochs") return false;
  int64_t count = 0;
  if (!read_value(text.substr(0, unit), count) || count < 0 ||
      count > (is_of_epochs ? kMostIntervalEpochs : kMostIntervalSteps))
    return false;
  value = {.count = count, .is_of_epochs = is_of_epochs};
  return true;
}

std::string text_of(const Interval& value) {
  if (!value.is_of_epochs) return std::to_string(value.count);
  return fmt::format("{}epoch{}", value.count, value.count == 1 ? "" : "s");
}

ValueKind kind_of(const Interval&) {
  return ValueKind::kInteger;
}

std::string in_words(const Interval& interval) {
  if (!interval.is_of_epochs) return fmt::format("{} steps", interval.count);
  return interval.count == 1 ? "epoch" : fmt::format("{} epochs", interval.count);
}

}  // namespace sdlora::trainer
