#include "comm/watchdog.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"

namespace sdlora::comm {

Watchdog::Watchdog(std::string where, std::chrono::seconds timeout)
    : where_(std::move(where)),
      timeout_(timeout),
      deadline_(std::chrono::steady_clock::now() + timeout),
      thread_([this] { watch(); }) {}

Watchdog::~Watchdog() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Watchdog::progress(std::string doing, int64_t timeout_count) {
  last_progress_ = std::chrono::system_clock::now();
  const std::lock_guard lock(mutex_);
  deadline_ = std::chrono::steady_clock::now() + timeout_ * timeout_count;
  doing_ = std::move(doing);
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  while (!is_over_) {
    const auto deadline = deadline_;
    if (changed_.wait_until(lock, deadline) == std::cv_status::no_timeout || deadline_ != deadline ||
        is_over_)
      continue;
    log::error(
        Error(ExitCode::kInternal,
              Problem{.what = "no progress: this rank gives up",
                      .expected = fmt::format("a step within --step-timeout, {} s", timeout_.count()),
                      .seen = fmt::format("waiting since then in {}", doing_),
                      .where = where_,
                      .advice =
                          "see the other ranks' logs for one that is behind; start the command again to go "
                          "on from the newest checkpoint"})
            .what());
    _exit(static_cast<int>(
        ExitCode::kInternal));  // no destructors: the main thread may be stuck in the library for good
  }
}

}  // namespace sdlora::comm
