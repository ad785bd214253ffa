#include "model/kernels/hand_written_backward.h"

#include <algorithm>

#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>

namespace sdlora::model::kernels {
namespace {

struct HandWrittenBackward final : torch::autograd::Node {
  JointBackward backward;

  explicit HandWrittenBackward(JointBackward function) : backward(std::move(function)) {}

  torch::autograd::variable_list apply(torch::autograd::variable_list&& output_gradients) override {
    TORCH_CHECK(backward, "a second backward pass through what the first one has freed");
    return backward(output_gradients);
  }

  void release_variables() override { backward = nullptr; }
};

}  // namespace

bool wants_backward(at::ArrayRef<at::Tensor> inputs) {
  return c10::GradMode::is_enabled() &&
         std::any_of(inputs.begin(), inputs.end(),
                     [](const at::Tensor& input) { return input.defined() && input.requires_grad(); });
}

std::vector<at::Tensor> with_joint_backward(std::vector<at::Tensor> outputs, at::ArrayRef<at::Tensor> inputs,
                                            JointBackward backward) {
  const std::shared_ptr<HandWrittenBackward> node(new HandWrittenBackward(std::move(backward)),
                                                  torch::autograd::deleteNode);
  torch::autograd::edge_list edges;
  for (const at::Tensor& input : inputs)
    edges.push_back(input.defined() && input.requires_grad() ? torch::autograd::impl::gradient_edge(input)
                                                             : torch::autograd::Edge());
  node->set_next_edges(std::move(edges));
  torch::autograd::set_history(outputs, node);
  return outputs;
}

at::Tensor with_backward(at::Tensor y, at::ArrayRef<at::Tensor> inputs, Backward backward) {
  return with_joint_backward({std::move(y)}, inputs,
                             [backward = std::move(backward)](at::ArrayRef<at::Tensor> output_gradients) {
                               return backward(output_gradients.front());
                             })
      .front();
}

}  // namespace sdlora::model::kernels
