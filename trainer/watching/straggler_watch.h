// Tells which rank the others wait for. In synchronous training a step takes equally long on all ranks, so
// they compare their own work, without the waiting.
#pragma once

#include <cstdint>
#include <string>

#include "comm/communicator.h"

namespace sdlora::trainer {

class StragglerWatch {
 public:
  explicit StragglerWatch(comm::Communicator& world) : world_(world) {}

  // (all ranks) `own_seconds`: of this rank's own work in step number `step`. After every tenth step the
  // ranks compare their means; rank 0 warns when one takes 1.5 times the median or more, and says when none
  // does any longer.
  void add(int64_t step, double own_seconds);

 private:
  comm::Communicator& world_;
  double seconds_ = 0;
  int64_t steps_ = 0;
  int slow_rank_ = -1;  // as last said; -1: none
};

}  // namespace sdlora::trainer
