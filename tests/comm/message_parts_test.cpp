#include "comm/message_parts.h"

#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace sdlora::comm {
namespace {

using Parts = std::vector<std::pair<int64_t, int64_t>>;

Parts parts_of(int64_t total, int64_t max_count) {
  Parts parts;
  for_each_part(total, max_count, [&](int64_t first, int64_t count) { parts.emplace_back(first, count); });
  return parts;
}

TEST(MessageParts, AShortMessageGoesWhole) {
  EXPECT_EQ(parts_of(10, 10), (Parts{{0, 10}}));
}

TEST(MessageParts, ALongMessageIsCoveredWithoutGapOrOverlap) {
  EXPECT_EQ(parts_of(25, 10), (Parts{{0, 10}, {10, 10}, {20, 5}}));
  EXPECT_EQ(parts_of(20, 10), (Parts{{0, 10}, {10, 10}}));
}

TEST(MessageParts, AnEmptyMessageIsNotSent) {
  EXPECT_EQ(parts_of(0, 10), Parts{});
}

TEST(MessageParts, CountsBeyondAnIntAreSplitIntoInts) {
  const int64_t limit = 2147483647;
  EXPECT_EQ(parts_of(5'000'000'000, limit),
            (Parts{{0, limit}, {limit, limit}, {2 * limit, 5'000'000'000 - 2 * limit}}));
}

}  // namespace
}  // namespace sdlora::comm
