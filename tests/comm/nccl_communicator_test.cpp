// NCCL under the contract of every communicator: run by 1 rank, and by 2 that share the one GPU of a test
// machine. Without a GPU: that the failure is an Error and not a hang.
#include <ATen/ATen.h>
#include <c10/cuda/CUDAFunctions.h>
#include <gmock/gmock.h>

#include "comm/communicator.h"
#include "common/error.h"
#include "tests/comm/communicator_contract.h"

namespace sdlora::comm {
namespace {

// Owns the world it leans on.
class NcclOverMpi : public Communicator {
 public:
  int rank() const override { return nccl_->rank(); }

  int size() const override { return nccl_->size(); }

  int local_rank() const override { return nccl_->local_rank(); }

  int local_size() const override { return nccl_->local_size(); }

  void all_reduce_sum(at::Tensor& tensor) override { nccl_->all_reduce_sum(tensor); }

  void broadcast(std::string& bytes, int root) override { nccl_->broadcast(bytes, root); }

  std::vector<std::string> gather(const std::string& text) override { return nccl_->gather(text); }

  void broadcast_on_host(std::string& bytes) override { nccl_->broadcast_on_host(bytes); }

  void barrier() override { nccl_->barrier(); }

  CollectiveLog& log() override { return nccl_->log(); }

 private:
  std::unique_ptr<Communicator> world_ = make_mpi_communicator();
  std::unique_ptr<Communicator> nccl_ =
      make_nccl_communicator(*world_, /*device_index=*/0, /*is_gpu_shared=*/world_->size() > 1);
};

bool has_gpu() {
  return c10::cuda::device_count() > 0;
}

}  // namespace

std::unique_ptr<Communicator> make_communicator_under_test() {
  return std::make_unique<NcclOverMpi>();
}

at::Device device_under_test() {
  return {at::kCUDA, 0};
}

std::string reason_to_skip() {
  return has_gpu() ? "" : "this machine has no GPU";
}

TEST(NcclCommunicator, WithoutAGpuIsRefusedInWords) {
  if (has_gpu()) GTEST_SKIP() << "this machine has a GPU";
  const auto world = make_mpi_communicator();
  try {
    make_nccl_communicator(*world, 0);
    FAIL() << "a communicator was made without a GPU";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kMismatch);
    EXPECT_THAT(std::string(error.what()), testing::HasSubstr("--comm mpi"));
  }
}

TEST(NcclCommunicator, LeavesHostTensorsToItsWorld) {
  if (!has_gpu()) GTEST_SKIP() << "this machine has no GPU";
  const auto nccl = make_communicator_under_test();
  at::Tensor on_host = at::ones({3});
  nccl->all_reduce_sum(on_host);
  EXPECT_EQ(on_host.sum().item<float>(), 3.0F * static_cast<float>(nccl->size()));
}

TEST(NcclCommunicator, CanBeAbortedByAnotherThread) {
  if (!has_gpu()) GTEST_SKIP() << "this machine has no GPU";
  const auto world = make_mpi_communicator();
  const auto nccl = make_nccl_communicator(*world, 0, /*is_gpu_shared=*/world->size() > 1);
  nccl->abort();
  at::Tensor tensor = at::ones({3}, at::kCUDA);
  EXPECT_THROW(nccl->all_reduce_sum(tensor), Error);
}

}  // namespace sdlora::comm
