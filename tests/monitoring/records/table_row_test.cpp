#include "monitoring/records/table_row.h"

#include <gmock/gmock.h>

namespace sdlora::monitoring {
namespace {

using testing::ElementsAre;

TEST(TableRow, TableHasTwoAlignedColumns) {
  EXPECT_THAT(table_of({{"model", "sd15"}, {"precision", "fp32"}}),
              ElementsAre("model      sd15", "precision  fp32"));
}

TEST(TableRow, TableContinuesALongTextBelowItself) {
  EXPECT_THAT(table_of({{"batch", "8 samples\n500 steps"}, {"host", "n01"}}),
              ElementsAre("batch  8 samples", "       500 steps", "host   n01"));
}

}  // namespace
}  // namespace sdlora::monitoring
