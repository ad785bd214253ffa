// Comparing named tensors.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "checkpoint/named_tensors.h"

namespace sdlora {

// The same names with the same types, shapes and values.
inline void expect_same_tensors(const checkpoint::NamedTensors& seen,
                                const checkpoint::NamedTensors& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (const auto& [name, tensor] : expected) {
    ASSERT_TRUE(seen.contains(name)) << name;
    EXPECT_EQ(seen.at(name).scalar_type(), tensor.scalar_type()) << name;
    EXPECT_TRUE(at::equal(seen.at(name), tensor)) << name;
  }
}

}  // namespace sdlora
