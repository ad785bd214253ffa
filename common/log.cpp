#include "common/log.h"

#include <memory>
#include <string>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "common/error.h"

namespace sdlora::log {
namespace {

struct State {
  std::shared_ptr<spdlog::sinks::stderr_color_sink_mt> terminal =
      std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>("sdlora", terminal);
  int rank = 0;
  std::string pattern = "%H:%M:%S %^%L%$ %v";

  State() {
    logger->set_pattern(pattern);
    logger->flush_on(spdlog::level::info);
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
  if (rank_count > 1) state().pattern = "%H:%M:%S %^%L%$ [rank " + std::to_string(rank) + "] %v";
  state().logger->set_pattern(state().pattern);
  state().terminal->set_level(rank == 0 ? spdlog::level::info : spdlog::level::warn);
}

bool is_rank_zero() {
  return state().rank == 0;
}

void add_file(const std::filesystem::path& file) {
  try {
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file.string());
    sink->set_pattern("%Y-%m-%d " + state().pattern);
    state().logger->sinks().push_back(std::move(sink));
  } catch (const spdlog::spdlog_ex& failure) {
    throw Error(ExitCode::kIo, Problem{.what = "cannot write the log file",
                                       .seen = failure.what(),
                                       .where = file.string(),
                                       .advice = "check the folder's permissions and the free space"});
  }
}

void info(std::string_view text) {
  state().logger->info(text);
}

void warning(std::string_view text) {
  state().logger->warn(text);
}

void error(std::string_view text) {
  state().logger->error(text);
}

}  // namespace sdlora::log
