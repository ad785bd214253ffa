// A test that needs a GPU: skipped where there is none, with that as the reason.
#pragma once

#include <c10/cuda/CUDAFunctions.h>
#include <gtest/gtest.h>

namespace sdlora::model::kernels::cuda {

class GpuTest : public testing::Test {
 protected:
  void SetUp() override {
    if (c10::cuda::device_count() == 0) GTEST_SKIP() << "this machine has no GPU";
  }
};

}  // namespace sdlora::model::kernels::cuda
