#include "comm/run_program.h"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>

#include <ATen/Context.h>

#include "comm/mpi_session.h"
#include "comm/start_watch.h"
#include "comm/thread_binding.h"
#include "common/error.h"
#include "common/error_report.h"
#include "common/log.h"
#include "common/recycled_memory.h"
#include "common/standard_files.h"

namespace sdlora::comm {
namespace {

// Ranks that stumble over the same thing do so within moments of each other.
constexpr std::chrono::milliseconds kPatienceWithOtherRanks{1000};

// Reports the failure and returns the exit code, or ends all ranks when this one fails alone.
int close_after_failure(MpiSession& session, const ErrorReport& report) {
  const auto own =
      FailureDigest{static_cast<int64_t>(report.exit_code), std::hash<std::string>{}(report.message)};
  const auto all = session.exchange_failures(own, kPatienceWithOtherRanks);
  if (!all) {
    log::error(fmt::format("{}\n  found by: {}; the other ranks are stopped", report.message,
                           place_of(session.rank(), session.size())));
    session.abort(static_cast<int>(report.exit_code));
  }
  const bool is_said_by_lower_rank =
      std::any_of(all->begin(), all->begin() + session.rank(),
                  [&](const FailureDigest& other) { return other.message_digest == own.message_digest; });
  if (!is_said_by_lower_rank) log::error(report.message);
  return static_cast<int>(all->front().exit_code);
}

}  // namespace

void prepare_process(char** argv) {
  take_back_thread_binding(argv);
  open_missing_standard_files();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that went away is an error of its write, not our end
}

int run_program(int* argc, char*** argv, const std::function<void(Communicator& world)>& body) {
  return run_program(
      argc, argv, [] { return Start{}; }, body);
}

int run_program(int* argc, char*** argv, const std::function<Start()>& read_options,
                const std::function<void(Communicator& world)>& body) {
  prepare_process(*argv);
  const std::string undone_binding = undone_thread_binding();
  std::signal(SIGXFSZ, SIG_IGN);  // a limit on the size of files is an error of its write, not our end
  recycle_tensor_memory();
  at::globalContext().setFlushDenormal(true);  // a thread has from its start what the one that starts it has
  Start start;
  std::exception_ptr refusal;  // thrown again once the ranks can speak of it together
  try {
    start = read_options();
  } catch (...) {
    refusal = std::current_exception();
  }
  if (start.parsed == ParseResult::kLeave) return static_cast<int>(ExitCode::kDone);
  std::optional<MpiSession> session;
  std::unique_ptr<Communicator> world;  // outlives the handler: freeing it may wait for the other ranks
  try {
    if (started_by_mpi()) {
      StartWatch watch(start.mpi_patience);
      session.emplace(argc, argv);
      watch.progress("the ranks' first messages");
      world = make_mpi_communicator();
    } else {
      world = make_single_process_communicator();
    }
    log::start(world->rank(), world->size());
    refuse_ranks_without_mpi(world->size());
    if (!undone_binding.empty() && world->rank() == 0) log::info(undone_binding);
    if (refusal) std::rethrow_exception(refusal);
    body(*world);
    return static_cast<int>(ExitCode::kDone);
  } catch (...) {
    const ErrorReport report = report_of(std::current_exception());
    if (session) return close_after_failure(*session, report);
    log::error(report.message);
    return static_cast<int>(report.exit_code);
  }
}

}  // namespace sdlora::comm
