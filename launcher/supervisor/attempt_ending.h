// What an exit code of mpirun, srun or the trainer means for the next attempt. Both pass on the code of the
// rank that failed first, or 128 + signal of one that was killed.
#pragma once

#include <string>

namespace sdlora::launcher {

enum class Verdict {
  kDone,      // the run is complete
  kStopped,   // somebody asked it to stop: whoever did shall start it again
  kGiveUp,    // the next attempt would end alike
  kTryAgain,  // a crash, a hang, a full disk, a lost host
};

struct Ending {
  Verdict verdict;
  bool is_of_the_trainer;  // false: mpirun or srun itself failed, which says nothing of the step
  std::string reason;      // "the training diverged"
};

Ending meaning_of_exit_code(int exit_code);

}  // namespace sdlora::launcher
