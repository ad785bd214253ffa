#include "model/layers/recomputation.h"

#include <vector>

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include "model/kernels/hand_written_backward.h"

namespace sdlora::model {
namespace {

// Each a leaf of a graph of its own.
std::vector<at::Tensor> leaves_of(at::ArrayRef<at::Tensor> inputs) {
  std::vector<at::Tensor> leaves;
  leaves.reserve(inputs.size());
  for (const at::Tensor& input : inputs)
    leaves.push_back(input.detach().set_requires_grad(input.requires_grad()));
  return leaves;
}

}  // namespace

at::Tensor recomputed_in_backward(at::ArrayRef<at::Tensor> inputs,
                                  std::function<at::Tensor(at::ArrayRef<at::Tensor>)> compute) {
  if (!c10::GradMode::is_enabled()) return compute(inputs);
  std::vector<at::Tensor> leaves = leaves_of(inputs);
  at::Tensor y = compute(leaves);
  if (!y.requires_grad()) return y;  // nothing in it is trained
  // Without its graph, and all that this has kept.
  return kernels::with_backward(y.detach(), inputs,
                                [leaves = std::move(leaves), compute = std::move(compute)](
                                    const at::Tensor& dy) -> std::vector<at::Tensor> {
                                  const c10::AutoGradMode with_graph(true);
                                  const std::vector<at::Tensor> again = leaves_of(leaves);
                                  torch::autograd::backward({compute(again)}, {dy});
                                  std::vector<at::Tensor> gradients;
                                  gradients.reserve(again.size());
                                  for (const at::Tensor& leaf : again) gradients.push_back(leaf.grad());
                                  return gradients;
                                });
}

}  // namespace sdlora::model
