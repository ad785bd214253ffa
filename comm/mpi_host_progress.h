// Memory that the ranks of a host share, in which each says how far it is: so that a rank that waits can tell
// which of its neighbours is behind, even one that is stopped.
#pragma once

#include <vector>

#include "comm/collective_log.h"
#include "comm/mpi_group.h"

namespace sdlora::comm {

class MpiHostProgress {
 public:
  // (all ranks of the host) Where MPI has no memory to share, ranks_of() is empty: no neighbour is seen then.
  explicit MpiHostProgress(const MpiGroup& host);
  ~MpiHostProgress();  // (all ranks of the host)

  MpiHostProgress(const MpiHostProgress&) = delete;
  MpiHostProgress& operator=(const MpiHostProgress&) = delete;

  // (all ranks of the host) The host's ranks by their number in `world`.
  std::vector<HostRank> ranks_of(const MpiGroup& world) const;

 private:
  const MpiGroup& host_;
  MPI_Win window_ = MPI_WIN_NULL;
};

}  // namespace sdlora::comm
