#include "common/cpu_cores.h"

#include <fstream>

#include <gtest/gtest.h>

#include "tests/support/temporary_folder.h"

namespace sdlora {
namespace {

class CpuCores : public testing::Test {
 protected:
  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((root_ / file).parent_path());
    std::ofstream(root_ / file) << text;
  }

  std::optional<double> quota() const { return cpu_quota(root_ / "."); }

  TemporaryFolder root_;
};

TEST_F(CpuCores, HaveNoQuotaWhereNoGroupSaysSo) {
  EXPECT_FALSE(quota());
  write("proc/self/cgroup", "0::/job\n");
  EXPECT_FALSE(quota());
  write("sys/fs/cgroup/job/cpu.max", "max 100000\n");
  EXPECT_FALSE(quota());
}

TEST_F(CpuCores, HaveTheNarrowestQuotaOfVersion2) {
  write("proc/self/cgroup", "0::/pods/pod7\n");
  write("sys/fs/cgroup/pods/pod7/cpu.max", "400000 100000\n");
  EXPECT_EQ(quota(), 4);
  write("sys/fs/cgroup/pods/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuCores, HaveTheQuotaOfVersion1) {
  write("proc/self/cgroup", "9:memory:/docker/1f\n4:cpu,cpuacct:/docker/1f\n1:cpuset:/\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_FALSE(quota());
  write("sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_quota_us", "50000\n");
  write("sys/fs/cgroup/cpu,cpuacct/docker/1f/cpu.cfs_period_us", "25000\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuCores, OfAContainerAreLimitedByTheOutermostGroupItSees) {
  write("proc/self/cgroup", "0::/\n");
  write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  EXPECT_EQ(quota(), 0.5);
}

TEST(DescribeCores, JoinsNeighbours) {
  EXPECT_EQ(describe_cores({}), "");
  EXPECT_EQ(describe_cores({3}), "3");
  EXPECT_EQ(describe_cores({0, 1, 2, 3, 8, 10, 11}), "0-3,8,10-11");
}

TEST(UsableCores, AreAtLeastOneAndNoMoreThanThereAre) {
  EXPECT_GE(usable_core_count(), 1);
  EXPECT_LE(usable_core_count(), static_cast<int>(cores_of().size()));
}

}  // namespace
}  // namespace sdlora
