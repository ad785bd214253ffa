#include "model/kernels/hand_written_backward.h"

#include <algorithm>

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace sdlora::model::kernels {
namespace {

struct HandWrittenBackward final : torch::autograd::Node {
  Backward backward;

  explicit HandWrittenBackward(Backward function) : backward(std::move(function)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& output_gradients) override {
    TORCH_CHECK(backward, "a second backward pass through what the first one has freed");
    return backward(output_gradients[0]);
  }

  void release_variables() override { backward = nullptr; }
};

}  // namespace

bool wants_backward(at::ArrayRef<at::Tensor> inputs) {
  return c10::GradMode::is_enabled() &&
         std::any_of(inputs.begin(), inputs.end(),
                     [](const at::Tensor& input) { return input.defined() && input.requires_grad(); });
}

at::Tensor with_backward(at::Tensor y, at::ArrayRef<at::Tensor> inputs, Backward backward) {
  const std::shared_ptr<HandWrittenBackward> node(new HandWrittenBackward(std::move(backward)),
                                                  torch::autograd::deleteNode);
  torch::autograd::edge_list edges;
  for (const at::Tensor& input : inputs)
    edges.push_back(input.requires_grad() ? torch::autograd::impl::gradient_edge(input)
                                          : torch::autograd::Edge());
  node->set_next_edges(std::move(edges));
  torch::autograd::set_history(y, node);
  return y;
}

}  // namespace sdlora::model::kernels
