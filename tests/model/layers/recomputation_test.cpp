#include "model/layers/recomputation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include "tests/support/random_values.h"

namespace sdlora::model {
namespace {

at::Tensor sine_of_product(at::ArrayRef<at::Tensor> inputs) {
  return at::sin(at::mm(inputs[0], inputs[1]));
}

struct Inputs {
  at::Tensor x = random_values({3, 4}, 1).set_requires_grad(true);
  at::Tensor weight = random_values({4, 5}, 2).set_requires_grad(true);
  at::Tensor dy = random_values({3, 5}, 3);
};

TEST(RecomputedInBackward, GivesTheBytesOfWhatIsKept) {
  const Inputs kept, recomputed;
  const at::Tensor expected = sine_of_product({kept.x, kept.weight});
  expected.backward(kept.dy);
  const at::Tensor y = recomputed_in_backward({recomputed.x, recomputed.weight}, sine_of_product);
  y.backward(recomputed.dy);
  EXPECT_TRUE(at::equal(y.detach(), expected.detach()));
  EXPECT_TRUE(at::equal(recomputed.x.grad(), kept.x.grad()));
  EXPECT_TRUE(at::equal(recomputed.weight.grad(), kept.weight.grad()));
}

TEST(RecomputedInBackward, ComputesOnceMoreInTheBackwardOnly) {
  const Inputs inputs;
  int count = 0;
  const at::Tensor y = recomputed_in_backward({inputs.x, inputs.weight}, [&](at::ArrayRef<at::Tensor> given) {
    ++count;
    return sine_of_product(given);
  });
  EXPECT_EQ(count, 1);
  y.backward(inputs.dy);
  EXPECT_EQ(count, 2);
}

TEST(RecomputedInBackward, TrainsWhatIsInsideAlsoWhereTheInputsWantNoGradient) {
  const at::Tensor x = random_values({3, 4}, 1), inside = random_values({4, 5}, 2).set_requires_grad(true);
  recomputed_in_backward({x}, [&](at::ArrayRef<at::Tensor> given) { return at::mm(given[0], inside); })
      .sum()
      .backward();
  EXPECT_TRUE(inside.grad().defined());
}

TEST(RecomputedInBackward, WantsNoBackwardWhereNothingIsTrained) {
  const at::Tensor x = random_values({3, 4}, 1), weight = random_values({4, 5}, 2);
  EXPECT_FALSE(recomputed_in_backward({x, weight}, sine_of_product).requires_grad());
  const c10::NoGradGuard no_gradients;
  const Inputs inputs;
  EXPECT_FALSE(recomputed_in_backward({inputs.x, inputs.weight}, sine_of_product).requires_grad());
}

}  // namespace
}  // namespace sdlora::model
