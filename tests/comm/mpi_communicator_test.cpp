#include <cstdlib>

#include <gtest/gtest.h>

#include "tests/comm/communicator_contract.h"

namespace sdlora::comm {

std::unique_ptr<Communicator> make_communicator_under_test() {
  return make_mpi_communicator();
}

at::Device device_under_test() {
  return at::kCPU;
}

std::string reason_to_skip() {
  return "";
}

TEST(MpiCommunicator, KnowsTheRanksThatMpirunStarted) {
  const auto world = make_mpi_communicator();
  EXPECT_EQ(world->size(), std::atoi(std::getenv("OMPI_COMM_WORLD_SIZE")));
  EXPECT_EQ(world->rank(), std::atoi(std::getenv("OMPI_COMM_WORLD_RANK")));
  EXPECT_EQ(world->local_rank(), std::atoi(std::getenv("OMPI_COMM_WORLD_LOCAL_RANK")));
  EXPECT_EQ(world->local_size(), std::atoi(std::getenv("OMPI_COMM_WORLD_LOCAL_SIZE")));
}

TEST(MpiCommunicator, KeepsApartWhatTwoOfThemSay) {
  const auto first = make_mpi_communicator();
  const auto second = make_mpi_communicator();
  std::string one = "first", two = "second";
  first->broadcast(one, 0);
  second->broadcast(two, 0);
  EXPECT_EQ(one, "first");
  EXPECT_EQ(two, "second");
}

}  // namespace sdlora::comm
