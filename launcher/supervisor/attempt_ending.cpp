#include "launcher/supervisor/attempt_ending.h"

#include <csignal>
#include <cstring>

#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::launcher {
namespace {

// A shell's way, which mpirun and srun follow.
constexpr int kSignalBase = 128;

Ending killed_by(int signal) {
  // mpirun's own failures end in codes above 128, too: only what kills a process is taken for a signal.
  switch (signal) {
    case SIGKILL:
      return {Verdict::kTryAgain, true, "a rank was killed (signal 9), by hand or for want of memory"};
    case SIGTERM:  // srun passes on the highest code, which is that of the others
      return {Verdict::kTryAgain, true, "a rank failed, and the others were ended (signal 15)"};
    case SIGABRT:
    case SIGSEGV:
    case SIGBUS:
    case SIGFPE:
    case SIGILL:
    case SIGXFSZ:
    case SIGUSR1:
    case SIGUSR2:
      return {Verdict::kTryAgain, true,
              fmt::format("a rank died of signal {} ({})", signal, ::strsignal(signal))};
    default:
      return {Verdict::kTryAgain, false,
              fmt::format("mpirun or srun failed with exit code {}", kSignalBase + signal)};
  }
}

}  // namespace

Ending meaning_of_exit_code(int exit_code) {
  if (exit_code > kSignalBase) return killed_by(exit_code - kSignalBase);
  switch (static_cast<ExitCode>(exit_code)) {
    case ExitCode::kDone:
      return {Verdict::kDone, true, "the run is complete"};
    case ExitCode::kStopped:
      return {Verdict::kStopped, true, "stopped by a signal with a checkpoint saved"};
    case ExitCode::kUsage:
      return {Verdict::kGiveUp, true, "an option or the configuration is wrong"};
    case ExitCode::kBadData:
      return {Verdict::kGiveUp, true, "a file is not what it should be"};
    case ExitCode::kDiverged:
      return {Verdict::kGiveUp, true, "the training diverged"};
    case ExitCode::kMismatch:
      return {Verdict::kGiveUp, true, "the ranks disagree, or the machine or the run directory does not fit"};
    case ExitCode::kInternal:
      return {Verdict::kTryAgain, true, "a rank made no progress or hit a defect"};
    case ExitCode::kIo:
      return {Verdict::kTryAgain, true, "the file system refused"};
  }
  return {Verdict::kTryAgain, false, fmt::format("mpirun or srun failed with exit code {}", exit_code)};
}

}  // namespace sdlora::launcher
