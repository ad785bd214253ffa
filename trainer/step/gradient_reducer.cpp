#include "trainer/step/gradient_reducer.h"

#include <limits>

#include <ATen/ATen.h>

#include "comm/exact_sum.h"

namespace sdlora::trainer {
namespace {

enum Counter : int64_t { kNonfiniteLosses = 0, kStopRequests = 1, kCounterCount = 2 };

at::Tensor are_finite(const at::Tensor& values) {  // [] bool
  return at::isfinite(values).all();
}

class ExactReducer final : public GradientReducer {
 public:
  ExactReducer(int64_t parameter_count, at::Device device)
      : parameter_count_(parameter_count), sum_(parameter_count + 1, kCounterCount, device) {}

  void reset() override { sum_.reset(); }

  // What the sum refuses, it counts.
  at::Tensor add(const at::Tensor& gradients, const at::Tensor& loss) override {
    const at::Tensor refused_before = sum_.out_of_range().clone();
    sum_.add(parameter_count_, loss.view({1}));
    sum_.add_to_counter(kNonfiniteLosses, sum_.out_of_range() - refused_before);
    sum_.add(0, gradients);
    return sum_.out_of_range().eq(refused_before);
  }

  void request_stop() override { sum_.add_to_counter(kStopRequests, 1); }

  ReducedStep reduce(comm::Communicator& world, int64_t micro_batch_count) override {
    world.all_reduce_sum(sum_.words());
    const at::Tensor means = sum_.totals().div_(static_cast<double>(micro_batch_count));
    return {.gradients = means.narrow(0, 0, parameter_count_),
            // The sum leaves out what is not finite or too large: without this, the mean of the rest would
            // pass for the loss.
            .loss = sum_.counter(kNonfiniteLosses) > 0 ? std::numeric_limits<double>::quiet_NaN()
                                                       : means[parameter_count_].item<double>(),
            .nonfinite_loss_count = sum_.counter(kNonfiniteLosses),
            .is_finite = sum_.out_of_range_count() == 0,
            .stop_was_requested = sum_.counter(kStopRequests) > 0};
  }

 private:
  int64_t parameter_count_;
  comm::ExactSum sum_;
};

class PlainReducer final : public GradientReducer {
 public:
  PlainReducer(int64_t parameter_count, at::Device device)
      : sums_(at::zeros({parameter_count + 1 + kCounterCount}, at::TensorOptions(device).dtype(at::kFloat))),
        parameter_count_(parameter_count) {}

  void reset() override { sums_.zero_(); }

  at::Tensor add(const at::Tensor& gradients, const at::Tensor& loss) override {
    sums_.narrow(0, 0, parameter_count_).add_(gradients);
    sums_[parameter_count_].add_(loss);
    const at::Tensor has_finite_loss = are_finite(loss);
    counter(kNonfiniteLosses).add_(has_finite_loss.logical_not());
    return has_finite_loss.logical_and(are_finite(gradients));
  }

  void request_stop() override { counter(kStopRequests).add_(1); }

  ReducedStep reduce(comm::Communicator& world, int64_t micro_batch_count) override {
    world.all_reduce_sum(sums_);  // a NaN on any rank is a NaN on all: a float SUM keeps it
    const at::Tensor means =
        sums_.narrow(0, 0, parameter_count_ + 1) / static_cast<double>(micro_batch_count);
    return {.gradients = means.narrow(0, 0, parameter_count_),
            .loss = means[parameter_count_].item<double>(),
            .nonfinite_loss_count = counter(kNonfiniteLosses).item<int64_t>(),
            .is_finite = are_finite(means).item<bool>(),
            .stop_was_requested = counter(kStopRequests).item<int64_t>() > 0};
  }

 private:
  at::Tensor counter(Counter which) const { return sums_[parameter_count_ + 1 + which]; }

  at::Tensor sums_;  // [parameters, loss, counters] f32
  int64_t parameter_count_;
};

}  // namespace

std::unique_ptr<GradientReducer> make_exact_reducer(int64_t parameter_count, at::Device device) {
  return std::make_unique<ExactReducer>(parameter_count, device);
}

std::unique_ptr<GradientReducer> make_plain_reducer(int64_t parameter_count, at::Device device) {
  return std::make_unique<PlainReducer>(parameter_count, device);
}

std::unique_ptr<GradientReducer> make_reducer(Reduction reduction, int64_t parameter_count,
                                              at::Device device) {
  return reduction == Reduction::kExact ? make_exact_reducer(parameter_count, device)
                                        : make_plain_reducer(parameter_count, device);
}

}  // namespace sdlora::trainer
