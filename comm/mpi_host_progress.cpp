#include "comm/mpi_host_progress.h"

#include <array>
#include <new>

#include "comm/memory_file.h"
#include "comm/mpi_call.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

constexpr size_t kSlotBytes = 64;  // a cache line each
static_assert(sizeof(RankProgress) <= kSlotBytes);

// The file's memory as this rank sees it, or none where it cannot.
std::shared_ptr<void> mapped_file(MemoryFile& file, const MpiGroup& host) {
  const size_t byte_count = kSlotBytes * static_cast<size_t>(host.size());
  std::array<char, 128> address{};
  if (host.rank() == 0) try {
      file.create(byte_count);
      file.address().copy(address.data(), address.size() - 1);
    } catch (const Error&) {  // the address stays empty, which nobody can open
    }
  check_mpi(MPI_Bcast(address.data(), static_cast<int>(address.size()), MPI_BYTE, 0, host.get()),
            "MPI_Bcast");
  try {
    if (host.rank() != 0) file.open(address.data());
    return file.map(byte_count);
  } catch (const Error&) {
    return nullptr;
  }
}

}  // namespace

MpiHostProgress::MpiHostProgress(const MpiGroup& host) : host_(host) {
  MemoryFile file;
  memory_ = mapped_file(file, host);
  int is_mapped = memory_ != nullptr ? 1 : 0, is_mapped_everywhere = 0;
  check_mpi(MPI_Allreduce(&is_mapped, &is_mapped_everywhere, 1, MPI_INT, MPI_MIN, host.get()),
            "MPI_Allreduce");
  if (is_mapped_everywhere == 0) {
    memory_ = nullptr;
    return;
  }
  new (of(host.rank())) RankProgress;
  check_mpi(MPI_Barrier(host.get()), "MPI_Barrier");  // nobody reads what is not made yet
}

RankProgress* MpiHostProgress::of(int local_rank) const {
  return reinterpret_cast<RankProgress*>(static_cast<char*>(memory_.get()) +
                                         kSlotBytes * static_cast<size_t>(local_rank));
}

std::vector<HostRank> MpiHostProgress::ranks_of(const MpiGroup& world) const {
  if (memory_ == nullptr) return {};
  std::vector<int> world_ranks(static_cast<size_t>(host_.size()));
  const int own = world.rank();
  check_mpi(MPI_Allgather(&own, 1, MPI_INT, world_ranks.data(), 1, MPI_INT, host_.get()), "MPI_Allgather");
  std::vector<HostRank> ranks;
  ranks.reserve(world_ranks.size());
  for (int local = 0; local < host_.size(); ++local)
    ranks.push_back({world_ranks[static_cast<size_t>(local)], of(local)});
  return ranks;
}

}  // namespace sdlora::comm
