// A program in a session of its own, and the signals that its parent gets meanwhile.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "launcher/supervisor/output_relay.h"

namespace sdlora::launcher {

// Collects USR1, USR2, TERM, INT, QUIT, HUP and CHLD instead of letting them act, from its construction on.
// HUP, INT and QUIT only where our parent did not have them ignored, as nohup does.
class SignalInbox {
 public:
  SignalInbox();

  // The next signal, or none when the time is over.
  std::optional<int> wait(std::chrono::milliseconds patience);
};

class ChildProcess {
 public:
  // `words`: program (looked up in PATH) and arguments; `environment`: NAME=value, added to ours. The child
  // reads from /dev/null, writes to us (output_relay.h), has no terminal that could hang up on it or stop it
  // for writing, gets TERM when this process dies, and is killed before it when memory is short (Linux
  // oom_score_adj, of which 1000 is the most). Throws Error(kMismatch) when there is no such program,
  // Error(kInternal) when no process can be made.
  ChildProcess(const std::vector<std::string>& words, const std::vector<std::string>& environment);
  ~ChildProcess();  // ends the whole group at once

  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // The exit code, 128 + signal where one ended it, or nothing while it runs.
  std::optional<int> poll();

  void send(int signal) const;  // to the program itself: mpirun and srun pass it on to the ranks
  void kill_group() const;

 private:
  OutputRelay relay_;
  pid_t pid_ = -1;
  std::optional<int> exit_code_;
};

}  // namespace sdlora::launcher
