#include "comm/watchdog.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"

namespace sdlora::comm {
namespace {

constexpr std::chrono::seconds kLastActBudget{5};
constexpr std::chrono::milliseconds kSignOfLifePeriod{500};

}  // namespace

std::chrono::seconds Patience::in(Section section) const {
  if (section == Section::kStartUp) return start_up;
  return section == Section::kCheckpoint ? 2 * step : step;
}

Watchdog::Watchdog(std::string place, CollectiveLog& log, Patience patience,
                   std::filesystem::path record_file)
    : place_(std::move(place)),
      log_(log),
      patience_(patience),
      record_(std::move(record_file), log.host_ranks().size()),
      clock_(kSignOfLifePeriod),
      last_sign_(clock_.now()),
      deadline_(last_sign_ + patience.in(log.section())) {
  try {
    watcher_ = std::thread([this] { watch(); });
    reporter_ = std::thread([this] { report(); });
  } catch (const std::system_error&) {
    end_threads();  // one may run
    throw;
  }
}

Watchdog::~Watchdog() {
  end_threads();
}

void Watchdog::end_threads() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  for (std::thread* thread : {&watcher_, &reporter_})
    if (thread->joinable()) thread->join();
}

void Watchdog::progress(Section section, std::string doing, int64_t timeout_count) {
  last_progress_ = std::chrono::system_clock::now();
  std::unique_lock lock(mutex_);
  // Too late: this process is about to end. What its last act broke off, a sum over the GPUs say, has left
  // half a result behind that nobody shall use or write.
  if (is_expired_) changed_.wait(lock, [] { return false; });
  log_.set_section(section);
  last_sign_ = clock_.now();
  deadline_ = last_sign_ + patience_.in(section)*timeout_count;
  doing_ = std::move(doing);
}

void Watchdog::on_expiry(std::function<void()> last_act) {
  std::unique_lock lock(mutex_);
  if (is_expired_) changed_.wait(lock, [this] { return is_reported_; });  // it may be running
  last_act_ = std::move(last_act);
}

void Watchdog::watch() {
  std::unique_lock lock(mutex_);
  for (auto now = clock_.now(); !is_over_ && now < deadline_; now = clock_.now()) {
    log_.show_sign_of_life();
    changed_.wait_for(lock, std::min<RunningClock::TimePoint::duration>(deadline_ - now, kSignOfLifePeriod));
  }
  if (is_over_) return;
  is_expired_ = true;
  changed_.notify_all();
  changed_.wait_for(lock, kLastActBudget, [this] { return is_reported_; });
  // No destructors: the main thread may be stuck in the library for good.
  _exit(static_cast<int>(ExitCode::kInternal));
}

void Watchdog::report() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return is_expired_ || is_over_; });
  if (!is_expired_) return;
  const std::chrono::duration<double> without_progress = clock_.now() - last_sign_;
  lock.unlock();  // watch() shall get it when time is up, whatever gets stuck here
  const bool is_recorded =
      record_.write({.place = place_, .doing = doing_, .without_progress = without_progress}, log_);
  log::error(
      Error(
          ExitCode::kInternal,
          {.what = "no progress: this rank gives up",
           .expected =
               fmt::format("a sign of progress within {} s in the section {}",
                           std::chrono::duration_cast<std::chrono::seconds>(deadline_ - last_sign_).count(),
                           name_of(log_.section())),
           .seen = fmt::format("none for {:.1f} s in {}, step {}, {}; {}", without_progress.count(),
                               name_of(log_.section()), log_.step(), doing_, describe_last_collective(log_)),
           .where = is_recorded ? fmt::format("{}; {}", place_, record_.file().string()) : place_,
           .advice = "see the flight records (flight-rank-*.json) for a rank that is behind; start the "
                     "command again to go on from the newest checkpoint"})
          .what());
  if (last_act_) last_act_();
  lock.lock();
  is_reported_ = true;
  changed_.notify_all();
}

}  // namespace sdlora::comm
