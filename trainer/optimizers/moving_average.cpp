#include "trainer/optimizers/moving_average.h"

#include <algorithm>
#include <utility>

#include <ATen/ATen.h>

namespace sdlora::trainer {

MovingAverage::MovingAverage(std::unique_ptr<Optimizer> averaged, double decay, const at::Tensor& parameters)
    : Optimizer(parameters),
      averaged_(std::move(averaged)),
      decay_(decay),
      average_(parameters.clone()),
      update_count_(at::zeros({}, at::kDouble)) {}

void MovingAverage::step(const at::Tensor& gradients, double learning_rate) {
  const double k = update_count_.item<double>();
  if (k == 0) average_.copy_(evaluation_parameters());  // --init-adapter may have changed them since
  averaged_->step(gradients, learning_rate);
  average_.lerp_(evaluation_parameters(), 1 - std::min((1 + k) / (10 + k), decay_));
  update_count_.fill_(k + 1);
}

checkpoint::NamedTensors MovingAverage::state() const {
  checkpoint::NamedTensors state = averaged_->state();
  state["moving_average"] = average_;
  state["moving_average_count"] = update_count_;
  return state;
}

}  // namespace sdlora::trainer
