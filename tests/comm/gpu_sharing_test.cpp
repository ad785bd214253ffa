#include "comm/gpu_sharing.h"

#include <cstdlib>

#include <gtest/gtest.h>

namespace sdlora::comm {
namespace {

TEST(GpuSharing, GivesEachRankAHostOfItsOwnInNcclsEyes) {
  prepare_gpu_sharing(1);
  const std::string first = std::getenv("NCCL_HOSTID");
  prepare_gpu_sharing(2);
  EXPECT_NE(std::getenv("NCCL_HOSTID"), first);
  EXPECT_STREQ(std::getenv("NCCL_NET"), "Socket");
}

}  // namespace
}  // namespace sdlora::comm
