#include <gtest/gtest.h>

#include "tests/comm/communicator_contract.h"

namespace sdlora::comm {

std::unique_ptr<Communicator> make_communicator_under_test() {
  return make_single_process_communicator();
}

at::Device device_under_test() {
  return at::kCPU;
}

std::string reason_to_skip() {
  return "";
}

TEST(SingleProcessCommunicator, IsOneRankAlone) {
  const auto world = make_single_process_communicator();
  EXPECT_EQ(world->rank(), 0);
  EXPECT_EQ(world->size(), 1);
  EXPECT_EQ(world->local_rank(), 0);
  EXPECT_EQ(world->local_size(), 1);
}

}  // namespace sdlora::comm
