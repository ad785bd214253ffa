#include "comm/mpi_host_progress.h"

#include <new>

#include "comm/mpi_call.h"

namespace sdlora::comm {

MpiHostProgress::MpiHostProgress(const MpiGroup& host) : host_(host) {
  void* own = nullptr;
  int is_made = MPI_Win_allocate_shared(sizeof(RankProgress), /*disp_unit=*/1, MPI_INFO_NULL, host.get(),
                                        &own, &window_) == MPI_SUCCESS
                    ? 1
                    : 0;
  int is_made_everywhere = 0;
  check_mpi(MPI_Allreduce(&is_made, &is_made_everywhere, 1, MPI_INT, MPI_MIN, host.get()), "MPI_Allreduce");
  if (is_made_everywhere == 0) {  // freeing it would take all ranks, so where it was made it stays
    window_ = MPI_WIN_NULL;
    return;
  }
  new (own) RankProgress;
  check_mpi(MPI_Barrier(host.get()), "MPI_Barrier");  // nobody reads what is not made yet
}

MpiHostProgress::~MpiHostProgress() {
  if (window_ != MPI_WIN_NULL) MPI_Win_free(&window_);
}

std::vector<HostRank> MpiHostProgress::ranks_of(const MpiGroup& world) const {
  if (window_ == MPI_WIN_NULL) return {};
  std::vector<int> world_ranks(static_cast<size_t>(host_.size()));
  const int own = world.rank();
  check_mpi(MPI_Allgather(&own, 1, MPI_INT, world_ranks.data(), 1, MPI_INT, host_.get()), "MPI_Allgather");
  std::vector<HostRank> ranks;
  for (int local = 0; local < host_.size(); ++local) {
    MPI_Aint bytes = 0;
    int unit = 0;
    void* memory = nullptr;
    check_mpi(MPI_Win_shared_query(window_, local, &bytes, &unit, &memory), "MPI_Win_shared_query");
    ranks.push_back({world_ranks[static_cast<size_t>(local)], static_cast<RankProgress*>(memory)});
  }
  return ranks;
}

}  // namespace sdlora::comm
