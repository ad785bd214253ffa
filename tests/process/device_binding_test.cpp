#include "process/device_binding.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/support/error_of.h"

namespace sdlora::process {
namespace {

std::string refusal_of(const std::function<void()>& call) {
  return message_of_error(ExitCode::kMismatch, call);
}

TEST(DeviceBinding, LocalRanksTakeTheVisibleGpusInOrder) {
  for (int local_rank = 0; local_rank < 4; ++local_rank)
    EXPECT_EQ(choose_gpu(4, local_rank, 4, false), local_rank);
  EXPECT_EQ(choose_gpu(8, 3, 4, false), 3);
}

TEST(DeviceBinding, TheOnlyVisibleGpuIsTheOneThatWasGivenToTheTask) {
  for (int local_rank = 0; local_rank < 4; ++local_rank) EXPECT_EQ(choose_gpu(1, local_rank, 4, false), 0);
}

TEST(DeviceBinding, FewerGpusThanRanksAreRefusedWithBothNumbers) {
  EXPECT_THAT(refusal_of([] { choose_gpu(2, 0, 3, false); }),
              testing::AllOf(testing::HasSubstr("3 local ranks"), testing::HasSubstr("2 GPUs")));
}

TEST(DeviceBinding, SharedGpusAreTakenInTurn) {
  EXPECT_EQ(choose_gpu(2, 0, 4, true), 0);
  EXPECT_EQ(choose_gpu(2, 3, 4, true), 1);
}

TEST(DeviceBinding, TwoRanksOnOneGpuAreRefusedByName) {
  const std::string message = refusal_of([] {
    refuse_shared_gpus({"host a, GPU 0000:01:00.0", "host b, GPU 0000:01:00.0", "host a, GPU 0000:01:00.0"});
  });
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("ranks 0 and 2"), testing::HasSubstr("host a"),
                                      testing::HasSubstr("--allow-gpu-sharing")));
}

TEST(DeviceBinding, RanksWithoutAGpuShareNothing) {
  refuse_shared_gpus({"", "", "host a, GPU 0000:01:00.0"});
}

TEST(DeviceBinding, TheLaunchersLocalRankMustBeMpis) {
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  ::setenv("SLURM_LOCALID", "1", 1);
  check_local_rank(1);
  EXPECT_THAT(refusal_of([] { check_local_rank(0); }),
              testing::AllOf(testing::HasSubstr("SLURM_LOCALID"), testing::HasSubstr("local rank 1"),
                             testing::HasSubstr("local rank 0")));
  ::setenv("OMPI_COMM_WORLD_LOCAL_RANK", "0", 1);  // mpirun inside a Slurm job: Slurm counts its own tasks
  check_local_rank(0);
  ::unsetenv("OMPI_COMM_WORLD_LOCAL_RANK");
  ::unsetenv("SLURM_LOCALID");
  check_local_rank(3);
}

TEST(DeviceBinding, WithoutAGpuAutoIsTheCpu) {
  const auto world = comm::make_single_process_communicator();
  EXPECT_EQ(bind_device({.device = DeviceKind::kCpu}, *world), at::kCPU);
}

}  // namespace
}  // namespace sdlora::process
