#include "model/kernels/tiled_product.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/kernels/cpu_kernels.h"
#include "tests/model/kernels/emulated_tile_kernels.h"
#include "tests/support/random_values.h"

namespace sdlora::model::kernels {
namespace {

struct ProductShape {
  int64_t rows, depth, columns;
};

class TiledProduct : public testing::TestWithParam<ProductShape> {
 protected:
  void SetUp() override {
    if (!can_run(AttentionKernel::kAvx512Bf16)) GTEST_SKIP() << "this CPU has no AVX-512 with BF16";
    kernels_.push_back(tile_product_of_emulated_tiles());
    if (can_run(AttentionKernel::kAmx)) kernels_.push_back(tile_product_of_amx());
  }

  static at::Tensor input(at::IntArrayRef shape, uint64_t seed) {
    return random_values(shape, seed).to(at::kBFloat16);
  }

  static double error(const at::Tensor& y, const at::Tensor& exact) {
    return ((y.to(at::kDouble) - exact).norm() / exact.norm()).item<double>();
  }

  const ProductShape shape_ = GetParam();
  std::vector<TileProductKernel> kernels_;
};

TEST_P(TiledProduct, IsTheProductOfAWeightInBothDirections) {
  const at::Tensor x = input({shape_.rows, shape_.depth}, 1),
                   weight = input({shape_.columns, shape_.depth}, 2), bias = input({shape_.columns}, 3),
                   dy = input({shape_.rows, shape_.columns}, 4);
  const auto exact = [](const at::Tensor& tensor) { return tensor.to(at::kDouble); };
  for (const TileProductKernel& kernel : kernels_) {
    EXPECT_LT(error(tiled_product(x, weight.t(), bias, kernel),
                    at::addmm(exact(bias), exact(x), exact(weight).t())),
              3e-3);
    EXPECT_LT(error(tiled_product(dy, weight, {}, kernel), at::mm(exact(dy), exact(weight))), 3e-3);
  }
}

TEST_P(TiledProduct, TakesRowsThatLieApart) {
  const at::Tensor wide = input({shape_.rows, 2 * shape_.depth}, 1),
                   weight = input({shape_.columns, shape_.depth}, 2);
  const at::Tensor x = wide.slice(1, shape_.depth);
  for (const TileProductKernel& kernel : kernels_)
    EXPECT_TRUE(at::equal(tiled_product(x, weight.t(), {}, kernel),
                          tiled_product(x.contiguous(), weight.t(), {}, kernel)));
}

// One row, less and more than a block of rows, more than a chunk of them, more than a panel of the depth.
INSTANTIATE_TEST_SUITE_P(Shapes, TiledProduct,
                         testing::Values(ProductShape{1, 32, 32}, ProductShape{77, 768, 64},
                                         ProductShape{33, 544, 96}, ProductShape{1100, 64, 64}));

TEST(TiledProductOfOtherShapes, IsNotTaken) {
  const at::Tensor x = at::zeros({4, 64}, at::kBFloat16), weight = at::zeros({32, 64}, at::kBFloat16);
  EXPECT_TRUE(takes_tiles(x, weight.t(), {}));
  EXPECT_FALSE(takes_tiles(x.to(at::kFloat), weight.t(), {}));
  EXPECT_FALSE(takes_tiles(x.slice(1, 0, 48), weight.slice(1, 0, 48).t(), {})) << "a depth of 48";
  EXPECT_FALSE(takes_tiles(x, weight.slice(0, 0, 20).t(), {})) << "20 columns";
  EXPECT_FALSE(takes_tiles(x.slice(0, 0, 0), weight.t(), {})) << "no rows";
}

}  // namespace
}  // namespace sdlora::model::kernels
