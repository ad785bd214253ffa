// Progress: on a terminal one line that updates itself and makes room for the log's lines; and plain lines in
// the log now and then, which a terminal with the bar is spared. It never fails: what cannot be written is
// left out. Functions may be called from several threads. One bar at a time.
#pragma once

#include <functional>
#include <mutex>
#include <optional>
#include <string>

#include "monitoring/terminal/progress_line.h"
#include "monitoring/terminal/recent_rate.h"

namespace sdlora::monitoring {

struct ProgressBarOptions {
  int64_t already_done = 0;                    // where a resumed run starts; not counted in the rate
  double plain_interval_seconds = 10;          // a plain line at least this often, and every 5 % or second
  int file_descriptor = 2;                     // of the bar, if it is a terminal and the log's format is text
  std::function<double()> clock_seconds = {};  // monotonic; the system's unless a test brings one
  std::function<void(const std::string& line)> write_plain_line = {};  // the log's unless a test brings one
};

class ProgressBar {
 public:
  // `total` 0: unknown, then there is no percentage and no time left.
  ProgressBar(int64_t total, std::string title, std::string unit, ProgressBarOptions options = {});
  ~ProgressBar();  // finishes

  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // Cheap enough for every step: a terminal is redrawn at most ten times a second. `tail` is free text: "loss
  // 0.0123".
  void update(int64_t done, std::string tail = "");

  // Takes the bar off the terminal while `write` writes another line there.
  void make_room(const std::function<void()>& write);

  // Leaves the last state as a line of its own. Once; later updates do nothing.
  void finish();

 private:
  void draw_on_terminal(bool is_last = false);
  void write_plain_line_if_due(double now_seconds);
  void write_plain_line(double now_seconds);
  void write(const std::string& text, bool may_be_left_out = false) const;
  int terminal_columns() const;

  const bool has_bar_;
  const ProgressBarOptions options_;
  const double start_seconds_;
  std::mutex mutex_;
  Progress progress_;
  RecentRate rate_;
  bool is_finished_ = false;
  bool is_visible_ = false;
  std::optional<double> last_drawn_seconds_;
  double last_line_seconds_;
  std::optional<int64_t> last_line_done_;
};

}  // namespace sdlora::monitoring
