#include "monitoring/memory/host_memory.h"

#include <fstream>

#include <gmock/gmock.h>

#include "tests/support/temporary_folder.h"

namespace sdlora::monitoring {
namespace {

constexpr int64_t kMebibyte = int64_t{1} << 20;

// A machine of 1000 MiB, 600 of them available.
class HostMemoryTest : public testing::Test {
 protected:
  HostMemoryTest() {
    write("proc/meminfo", "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\n");
  }

  void write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories((folder_ / file).parent_path());
    std::ofstream(folder_ / file) << text;
  }

  void write_group(const std::string& group, const std::string& limit, int64_t usage, int64_t droppable) {
    write(group + "/memory.max", limit + "\n");
    write(group + "/memory.current", std::to_string(usage));
    write(group + "/memory.stat", "anon 7\ninactive_file " + std::to_string(droppable) + "\n");
  }

  HostMemory measured() const { return host_memory(folder_ / "."); }

  TemporaryFolder folder_;
};

TEST_F(HostMemoryTest, IsTheKernelsWhereNothingLimitsIt) {
  EXPECT_EQ(measured().limit_bytes, 1000 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, 600 * kMebibyte);
}

TEST_F(HostMemoryTest, OfAGroupWithoutALimitIsTheHosts) {
  write("proc/self/cgroup", "0::/job\n");
  write_group("sys/fs/cgroup/job", "max", 50 * kMebibyte, 0);
  EXPECT_EQ(measured().limit_bytes, 1000 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, 600 * kMebibyte);
}

TEST_F(HostMemoryTest, OfAGroupWithALimitIsWhatItLeavesWithTheFilePagesItCanDrop) {
  write("proc/self/cgroup", "0::/slurm/job_7\n");
  write_group("sys/fs/cgroup/slurm/job_7", std::to_string(200 * kMebibyte), 190 * kMebibyte, 30 * kMebibyte);
  EXPECT_EQ(measured().limit_bytes, 200 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, 40 * kMebibyte);
}

TEST_F(HostMemoryTest, TheNarrowestOfNestedGroupsCounts) {
  write("proc/self/cgroup", "0::/slurm/job_7\n");
  write_group("sys/fs/cgroup/slurm/job_7", std::to_string(500 * kMebibyte), 0, 0);
  write_group("sys/fs/cgroup/slurm", std::to_string(300 * kMebibyte), 299 * kMebibyte, 0);
  EXPECT_EQ(measured().limit_bytes, 300 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, kMebibyte);
}

TEST_F(HostMemoryTest, InsideAContainerItsOwnGroupIsTheRoot) {
  write("proc/self/cgroup", "0::/\n");
  write_group("sys/fs/cgroup", std::to_string(100 * kMebibyte), 60 * kMebibyte, 0);
  EXPECT_EQ(measured().limit_bytes, 100 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, 40 * kMebibyte);
}

TEST_F(HostMemoryTest, UnderstandsGroupsOfTheFirstVersion) {
  write("proc/self/cgroup", "5:cpu,cpuacct:/x\n4:memory:/docker/1f\n");
  write("sys/fs/cgroup/memory/docker/1f/memory.limit_in_bytes", std::to_string(100 * kMebibyte));
  write("sys/fs/cgroup/memory/docker/1f/memory.usage_in_bytes", std::to_string(90 * kMebibyte));
  write("sys/fs/cgroup/memory/docker/1f/memory.stat", "cache 1\ntotal_inactive_file 1048576\n");
  write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  write("sys/fs/cgroup/memory/memory.usage_in_bytes", "1");
  EXPECT_EQ(measured().limit_bytes, 100 * kMebibyte);
  EXPECT_EQ(measured().available_bytes, 11 * kMebibyte);
}

TEST(HostMemory, OfThisMachineIsNotNothing) {
  EXPECT_GT(host_memory().limit_bytes, 64 * kMebibyte);
  EXPECT_GT(host_memory().available_bytes, 0);
}

}  // namespace
}  // namespace sdlora::monitoring
