#include "monitoring/fact.h"

#include <gmock/gmock.h>

namespace sdlora::monitoring {
namespace {

using testing::ElementsAre;

TEST(Fact, TableHasTwoAlignedColumns) {
  EXPECT_THAT(table_of({{"model", "sd15"}, {"precision", "fp32"}}),
              ElementsAre("model      sd15", "precision  fp32"));
}

TEST(Fact, TableContinuesALongTextBelowItself) {
  EXPECT_THAT(table_of({{"batch", "8 samples\n500 steps"}, {"host", "n01"}}),
              ElementsAre("batch  8 samples", "       500 steps", "host   n01"));
}

}  // namespace
}  // namespace sdlora::monitoring
