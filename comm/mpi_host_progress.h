// Memory that the ranks of a host share, in which each says how far it is: so that a rank that waits can tell
// which of its neighbours is behind, even one that is stopped.
#pragma once

#include <memory>
#include <vector>

#include "comm/collective_log.h"
#include "comm/mpi_group.h"

namespace sdlora::comm {

class MpiHostProgress {
 public:
  // (all ranks of the host) Where they cannot share memory (each is in a container of its own, say),
  // ranks_of() is empty: no neighbour is seen then. Not a window of MPI's: where /dev/shm is full or private,
  // making one never returns, or crashes (Open MPI 4.1).
  explicit MpiHostProgress(const MpiGroup& host);

  // (all ranks of the host) The host's ranks by their number in `world`; lives as long as this.
  std::vector<HostRank> ranks_of(const MpiGroup& world) const;

 private:
  RankProgress* of(int local_rank) const;

  const MpiGroup& host_;
  std::shared_ptr<void> memory_;  // a slot for each rank of the host; none: not shared
};

}  // namespace sdlora::comm
