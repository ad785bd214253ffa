#include "data/caching/stop_request.h"

namespace sdlora::data {

bool is_stop_requested(const CacheOptions& options) {
  return options.stop_requested && options.stop_requested();
}

Error stopped_by_a_signal() {
  return {ExitCode::kStopped,
          "stopped by a signal; what is encoded is kept: run the same command again to go on"};
}

std::function<void()> leave_when_asked(const CacheOptions& options) {
  return [&options] {
    if (is_stop_requested(options)) throw stopped_by_a_signal();
  };
}

}  // namespace sdlora::data
