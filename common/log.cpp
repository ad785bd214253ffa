#include "common/log.h"

#include <memory>
#include <mutex>
#include <string>

#include <nlohmann/json.hpp>
#include <spdlog/fmt/chrono.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "common/error.h"
#include "common/shown_text.h"

namespace sdlora::log {
namespace {

// Bytes. What a file or a person wrote gets into warnings, too.
constexpr size_t kLongestEntry = 64 << 10;

class JsonFormatter final : public spdlog::formatter {
 public:
  explicit JsonFormatter(int rank) : rank_(rank) {}

  void format(const spdlog::details::log_msg& message, spdlog::memory_buf_t& line) override {
    using std::chrono::milliseconds;
    const auto since_epoch = std::chrono::duration_cast<milliseconds>(message.time.time_since_epoch());
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

// Standard error, where a progress bar may have to make room first.
class TerminalSink final : public spdlog::sinks::stderr_color_sink_mt {
 public:
  void surround(std::function<void(const std::function<void()>&)> around) {
    const std::lock_guard lock(around_mutex_);
    around_ = std::move(around);
  }

  void log(const spdlog::details::log_msg& message) override {
    const std::lock_guard lock(around_mutex_);
    const auto write = [&] { spdlog::sinks::stderr_color_sink_mt::log(message); };
    if (around_)
      around_(write);
    else
      write();
  }

 private:
  std::mutex around_mutex_;
  std::function<void(const std::function<void()>&)> around_;
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
    for (const auto& logger : {state().logger, state().files}) logger->sinks().push_back(sink);
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
