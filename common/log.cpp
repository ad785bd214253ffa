#include "common/log.h"

#include <memory>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/chrono.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include "common/error.h"
#include "common/output_queue.h"
#include "common/shown_text.h"

namespace sdlora::log {
namespace {

// Bytes. What a file or a person wrote gets into warnings, too.
constexpr size_t kLongestEntry = 64 << 10;

class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(int rank) : rank_(rank) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    const auto since_epoch =
        std::chrono::duration_cast<std::chrono::milliseconds>(message.time.time_since_epoch());
    const auto time = fmt::gmtime(std::chrono::system_clock::to_time_t(message.time));
    const std::string_view level(message.level == spdlog::level::warn  ? "warning"
                                 : message.level == spdlog::level::err ? "error"
                                                                       : "info");
    const nlohmann::ordered_json json{
        {"time", fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:03}Z", time, since_epoch.count() % 1000)},
        {"level", level},
        {"rank", rank_},
        {"message", std::string_view(message.payload.data(), message.payload.size())}};
    const std::string text = json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
    line.append(text.data(), text.data() + text.size());
  }

  std::unique_ptr<spdlog::formatter> clone() const override { return std::make_unique<JsonFormatter>(rank_); }

 private:
  int rank_;
};

using std::chrono::milliseconds;

// So that a line is where it belongs between what others write, where the terminal takes it.
constexpr milliseconds kLinePatience{200};
constexpr milliseconds kErrorPatience{2000};

bool has_colours() {
  return ::isatty(STDERR_FILENO) == 1 && spdlog::details::os::is_color_terminal();
}

// Standard error, where a progress bar may have to make room first.
class TerminalSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void surround(std::function<void(const std::function<void()>&)> around) {
    const std::lock_guard lock(mutex_);
    around_ = std::move(around);
  }

  OutputQueue& queue() { return queue_; }

 protected:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string text = text_of(message, *formatter_);
    const bool is_error = message.level >= spdlog::level::err;
    const milliseconds patience = is_error             ? kErrorPatience
                                  : queue_.is_behind() ? milliseconds(0)
                                                       : kLinePatience;
    const auto write = [&] { queue_.write(text, patience); };
    if (around_)
      around_(write);
    else
      write();
  }

  void flush_() override {}

 private:
  std::string text_of(const spdlog::details::log_msg& message, spdlog::formatter& formatter) const {
    spdlog::memory_buf_t line;
    formatter.format(message, line);
    std::string text(line.data(), line.size());
    if (!has_colours_ || message.color_range_end <= message.color_range_start) return text;
    const char* const colour = message.level == spdlog::level::warn  ? "\x1b[33m\x1b[1m"
                               : message.level == spdlog::level::err ? "\x1b[31m\x1b[1m"
                                                                     : "\x1b[32m";
    return text.insert(message.color_range_end, "\x1b[m").insert(message.color_range_start, colour);
  }

  std::string note_of(int64_t dropped_lines);

  const bool has_colours_ = has_colours();
  std::function<void(const std::function<void()>&)> around_;
  OutputQueue queue_{STDERR_FILENO, [this](int64_t lines) { return note_of(lines); }};
};

struct State {
  std::shared_ptr<TerminalSink> terminal = std::make_shared<TerminalSink>();
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("sdlora", terminal);
  std::shared_ptr<spdlog::logger> files = std::make_shared<spdlog::logger>("files");
  int rank = 0;
  int rank_count = 1;
  Format format = Format::kText;

  State() {
    logger->set_formatter(formatter(""));
    for (const auto& each : {logger, files}) each->flush_on(spdlog::level::info);
  }

  std::unique_ptr<spdlog::formatter> formatter(const std::string& date) const {
    if (format == Format::kJson) return std::make_unique<JsonFormatter>(rank);
    const std::string place = rank_count > 1 ? fmt::format("[rank {}] ", rank) : "";
    return std::make_unique<spdlog::pattern_formatter>(date + "%H:%M:%S %^%L%$ " + place + "%v");
  }
};

// A log is the process's own: the one object of the program that is reachable from everywhere.
State& state() {
  static State instance;
  return instance;
}

// On the queue's thread, while others may hold the sink: with a formatter of its own.
std::string TerminalSink::note_of(int64_t dropped_lines) {
  const std::string text = fmt::format(
      "{} lines are missing here: they were not read in time. A run's log files have every line of it",
      dropped_lines);
  return text_of(spdlog::details::log_msg("sdlora", spdlog::level::warn, text), *state().formatter(""));
}

}  // namespace

void start(int rank, int rank_count) {
  state().rank = rank;
  state().rank_count = rank_count;
  state().terminal->set_formatter(state().formatter(""));
  state().terminal->set_level(rank == 0 ? spdlog::level::info : spdlog::level::warn);
}

bool is_rank_zero() {
  return state().rank == 0;
}

void set_format(Format format) {
  state().format = format;
  state().terminal->set_formatter(state().formatter(""));
}

Format format() {
  return state().format;
}

void add_file(const std::filesystem::path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_formatter(state().formatter("%Y-%m-%d "));
    for (const auto& logger : {state().logger, state().files})
      logger->sinks().insert(logger->sinks().begin(), sink);  // before the terminal
  } catch (const spdlog::spdlog_ex& failure) {
    throw Error(ExitCode::kIo, {.what = "cannot write the log file",
                                .seen = failure.what(),
                                .where = file.string(),
                                .advice = "check the folder's permissions and the free space"});
  }
}

void surround_terminal_lines(std::function<void(const std::function<void()>& write)> around) {
  state().terminal->surround(std::move(around));
}

void pass_on_to_terminal(std::string_view text) {
  state().terminal->queue().write(std::string(text), milliseconds(0));
}

void pass_on_to_standard_output(std::string_view text) {
  static OutputQueue queue(STDOUT_FILENO, [](int64_t lines) {
    return fmt::format("({} lines are missing here: they were not read in time)\n", lines);
  });
  queue.write(std::string(text), milliseconds(0));
}

void draw_on_terminal(std::string_view text) {
  state().terminal->queue().write_unless_behind(std::string(text));
}

void info(std::string_view text) {
  state().logger->info(shown_lines(text, kLongestEntry));
}

void warning(std::string_view text) {
  state().logger->warn(shown_lines(text, kLongestEntry));
}

void error(std::string_view text) {
  state().logger->error(shown_lines(text, kLongestEntry));
}

void info_to_files(std::string_view text) {
  state().files->info(shown_lines(text, kLongestEntry));
}

}  // namespace sdlora::log
