#include "monitoring/memory/resident_memory.h"

#include <vector>

#include <gtest/gtest.h>

namespace sdlora::monitoring {
namespace {

TEST(ResidentMemory, SeesMemoryThatIsTouched) {
  const ResidentMemory before = resident_memory();
  EXPECT_GT(before.private_bytes, 0);
  EXPECT_GE(before.peak_bytes, before.private_bytes);
  const std::vector<char> block(100'000'000, 1);
  const ResidentMemory after = resident_memory();
  EXPECT_GT(after.private_bytes - before.private_bytes, 90'000'000);
  EXPECT_EQ(block.back(), 1);
}

}  // namespace
}  // namespace sdlora::monitoring
