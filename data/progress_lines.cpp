#include "data/progress_lines.h"

#include <chrono>

#include <fmt/format.h>

#include "common/log.h"

namespace sdlora::data {

CacheProgress progress_lines() {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  return [start, shown_at = start](int64_t done_count, int64_t total_count) mutable {
    constexpr std::chrono::seconds kInterval{5};
    const Clock::time_point now = Clock::now();
    if (now - shown_at < kInterval) return;
    shown_at = now;
    const double images_per_second =
        static_cast<double>(done_count) / std::chrono::duration<double>(now - start).count();
    log::info(fmt::format("{} of {} images, {:.1f} a second, about {:.0f} s left", done_count, total_count,
                          images_per_second,
                          static_cast<double>(total_count - done_count) / images_per_second));
  };
}

}  // namespace sdlora::data
