// One rank on one GPU where there is one; without a GPU, that the failure is an Error and not a hang.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <gmock/gmock.h>

#include "comm/communicator.h"
#include "common/error.h"

namespace sdlora::comm {
namespace {

TEST(NcclCommunicator, WithoutAGpuIsRefusedInWords) {
  if (c10::cuda::device_count() > 0) GTEST_SKIP() << "this machine has a GPU";
  const auto world = make_single_process_communicator();
  try {
    make_nccl_communicator(*world, 0);
    FAIL() << "a communicator was made without a GPU";
  } catch (const Error& error) {
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("--comm mpi"));
  }
}

TEST(NcclCommunicator, ReducesCudaTensorsAndLeavesTheRestToItsWorld) {
  if (c10::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  const auto world = make_single_process_communicator();
  const auto nccl = make_nccl_communicator(*world, 0);
  for (const auto type : {at::kLong, at::kFloat, at::kDouble}) {
    at::Tensor tensor = at::arange(1000, at::dtype(type).device(at::kCUDA));
    nccl->all_reduce_sum(tensor);
    EXPECT_TRUE(tensor.cpu().equal(at::arange(1000, type)));
  }
  at::Tensor on_host = at::ones({3});
  nccl->all_reduce_sum(on_host);
  EXPECT_EQ(on_host.sum().item<float>(), 3.0F);
  EXPECT_EQ(nccl->gather("one"), std::vector<std::string>{"one"});
}

}  // namespace
}  // namespace sdlora::comm
