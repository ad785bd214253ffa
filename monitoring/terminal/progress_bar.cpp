#include "monitoring/terminal/progress_bar.h"

#include <chrono>
#include <utility>

#include <sys/ioctl.h>
#include <unistd.h>

#include "common/log.h"

namespace sdlora::monitoring {
namespace {

constexpr double kRedrawSeconds = 0.1;
constexpr double kShortestLineSeconds = 1;
constexpr int64_t kLinesPerRun = 20;  // one every 5 %
constexpr int kUsualColumns = 80;
constexpr const char* kEraseLine = "\r\x1b[K";

double monotonic_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

ProgressBarOptions with_defaults(ProgressBarOptions options, bool has_bar) {
  if (!options.clock_seconds) options.clock_seconds = monotonic_seconds;
  if (!options.write_plain_line) options.write_plain_line = has_bar ? log::info_to_files : log::info;
  return options;
}

bool can_have_bar(int file_descriptor) {
  return isatty(file_descriptor) == 1 && log::format() == log::Format::kText;
}

}  // namespace

ProgressBar::ProgressBar(int64_t total, std::string title, std::string unit, ProgressBarOptions options)
    : has_bar_(can_have_bar(options.file_descriptor)),
      options_(with_defaults(std::move(options), has_bar_)),
      start_seconds_(options_.clock_seconds()),
      progress_{
          .title = std::move(title), .unit = std::move(unit), .done = options_.already_done, .total = total},
      last_line_seconds_(start_seconds_) {
  rate_.add(start_seconds_, options_.already_done);
  if (has_bar_)
    log::surround_terminal_lines([this](const std::function<void()>& write) { make_room(write); });
}

ProgressBar::~ProgressBar() {
  finish();
  if (has_bar_) log::surround_terminal_lines({});
}

void ProgressBar::update(int64_t done, std::string tail) {
  const std::lock_guard lock(mutex_);
  if (is_finished_) return;
  const double now_seconds = options_.clock_seconds();
  const int64_t previous_done = std::exchange(progress_.done, done);
  progress_.tail = std::move(tail);
  progress_.elapsed_seconds = now_seconds - start_seconds_;
  if (done != previous_done) rate_.add(now_seconds, done);
  progress_.units_per_second = rate_.units_per_second();

  if (has_bar_ && (!last_drawn_seconds_ || now_seconds - *last_drawn_seconds_ >= kRedrawSeconds)) {
    draw_on_terminal();
    last_drawn_seconds_ = now_seconds;
  }
  write_plain_line_if_due(now_seconds);
}

void ProgressBar::make_room(const std::function<void()>& write_line) {
  const std::lock_guard lock(mutex_);
  const bool was_visible = is_visible_;
  if (was_visible) write(kEraseLine);
  write_line();
  if (was_visible) draw_on_terminal();
}

void ProgressBar::finish() {
  const std::lock_guard lock(mutex_);
  if (std::exchange(is_finished_, true)) return;
  const double now_seconds = options_.clock_seconds();
  progress_.elapsed_seconds = now_seconds - start_seconds_;
  // The pace of the whole run: the last minute's is of no interest any more.
  const auto units = static_cast<double>(progress_.done - options_.already_done);
  progress_.units_per_second = progress_.elapsed_seconds > 0 ? units / progress_.elapsed_seconds : 0;
  if (last_line_done_ != progress_.done) write_plain_line(now_seconds);
  if (!has_bar_) return;
  draw_on_terminal(/*is_last=*/true);
  write("\n");
  is_visible_ = false;
}

void ProgressBar::draw_on_terminal(bool is_last) {
  // The last column stays free: some terminals wrap as soon as it is written.
  write(kEraseLine + terminal_line(progress_, terminal_columns() - 1), /*may_be_left_out=*/!is_last);
  is_visible_ = true;
}

void ProgressBar::write_plain_line_if_due(double now_seconds) {
  const auto twentieth_of = [this](int64_t count) {
    return progress_.total > 0 ? count * kLinesPerRun / progress_.total : 0;
  };
  const double since_line_seconds = now_seconds - last_line_seconds_;
  const bool has_passed_mark =
      twentieth_of(progress_.done) > twentieth_of(last_line_done_.value_or(options_.already_done));
  if (since_line_seconds >= options_.plain_interval_seconds ||
      (has_passed_mark && since_line_seconds >= kShortestLineSeconds))
    write_plain_line(now_seconds);
}

void ProgressBar::write_plain_line(double now_seconds) {
  options_.write_plain_line(plain_line(progress_));
  last_line_seconds_ = now_seconds;
  last_line_done_ = progress_.done;
}

// The log's terminal has a queue, so that training never waits for it; another is a test's.
void ProgressBar::write(const std::string& text, bool may_be_left_out) const {
  if (options_.file_descriptor == STDERR_FILENO)
    return may_be_left_out ? log::draw_on_terminal(text) : log::pass_on_to_terminal(text);
  [[maybe_unused]] const ssize_t written = ::write(options_.file_descriptor, text.data(), text.size());
}

int ProgressBar::terminal_columns() const {
  winsize size{};
  const bool is_known = ioctl(options_.file_descriptor, TIOCGWINSZ, &size) == 0 && size.ws_col > 1;
  return is_known ? size.ws_col : kUsualColumns;
}

}  // namespace sdlora::monitoring
