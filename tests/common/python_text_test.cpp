#include "common/python_text.h"

#include <gtest/gtest.h>

namespace sdlora {
namespace {

// As `python3 -c "print(0.0001, …)"` prints them.
TEST(PythonText, IsWhatStrMakesOfAValue) {
  EXPECT_EQ(python_text(true), "True");
  EXPECT_EQ(python_text(false), "False");
  EXPECT_EQ(python_text(int64_t{-16}), "-16");
  EXPECT_EQ(python_text(16.0), "16.0");
  EXPECT_EQ(python_text(0.0001), "0.0001");
  EXPECT_EQ(python_text(0.00001), "1e-05");
  EXPECT_EQ(python_text(-1.5), "-1.5");
  EXPECT_EQ(python_text(0.1 + 0.2), "0.30000000000000004");
  EXPECT_EQ(python_text(1e15), "1000000000000000.0");
  EXPECT_EQ(python_text(1e16), "1e+16");
  EXPECT_EQ(python_text(1.25e-7), "1.25e-07");
}

}  // namespace
}  // namespace sdlora
