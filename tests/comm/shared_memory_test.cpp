#include "comm/shared_memory.h"

#include <gmock/gmock.h>

namespace sdlora::comm {
namespace {

constexpr size_t kBytes = 3 << 20;

TEST(SharedMemory, IsTheSameForAllRanksOfAHost) {
  const auto world = make_mpi_communicator();
  const auto memory = share_memory_on_host(*world, kBytes);
  ASSERT_NE(memory, nullptr);
  auto* bytes = static_cast<unsigned char*>(memory.get());
  EXPECT_EQ(bytes[kBytes - 1], 0);
  world->barrier();
  bytes[world->local_rank()] = static_cast<unsigned char>(7 + world->local_rank());
  world->barrier();
  for (int rank = 0; rank < world->local_size(); ++rank) EXPECT_EQ(bytes[rank], 7 + rank);
  world->barrier();
}

TEST(SharedMemory, IsRefusedToAllRanksWhereItCannotBe) {
  const auto world = make_mpi_communicator();
  EXPECT_EQ(share_memory_on_host(*world, size_t{1} << 62), nullptr);
  world->barrier();  // nobody is left behind
}

}  // namespace
}  // namespace sdlora::comm
