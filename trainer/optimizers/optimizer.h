// What updates the adapter: on its flat buffers, all of A and B at once.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "checkpoint/named_tensors.h"
#include "trainer/options/optimizer_options.h"

namespace sdlora::trainer {

// ‖s B A‖_F of the modules after a step, where it is bounded (--max-weight-norm).
struct WeightNorms {
  int64_t scaled_count = 0;  // modules that were above the bound
  double mean = 0;
  double largest = 0;
};

class Optimizer {
 public:
  // `parameters` [P] f32 is updated in place by step(). rate_factors [P] f32: by which the learning rate of
  // each is larger; undefined: of none.
  explicit Optimizer(at::Tensor parameters, at::Tensor rate_factors = {})
      : parameters_(std::move(parameters)), rate_factors_(std::move(rate_factors)) {}

  virtual ~Optimizer() = default;
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // gradients [P] f32, as they shall be applied: reduced, unscaled, clipped.
  virtual void step(const at::Tensor& gradients, double learning_rate) = 0;

  // What `learning_rate` comes to in the next step: that, but of optimisers that find their own.
  virtual double rate_of_next_step(double learning_rate) const { return learning_rate; }

  // All that step() changes besides the parameters; these too where evaluation_parameters() are others.
  virtual checkpoint::NamedTensors state() const = 0;

  // Throws Error(kBadData) when names or shapes do not fit.
  void load(const checkpoint::NamedTensors& state);

  // [P] f32: what is judged, drawn with and saved.
  virtual at::Tensor evaluation_parameters() const { return parameters_; }

  // [P] f32, where one is made (--ema-decay).
  virtual std::optional<at::Tensor> moving_average() const { return std::nullopt; }

  virtual std::optional<WeightNorms> weight_norms() const { return std::nullopt; }

 protected:
  // `values` times the factors of the learning rate.
  at::Tensor with_factors(const at::Tensor& values) const {
    return rate_factors_.defined() ? values * rate_factors_ : values;
  }

  at::Tensor parameters_;    // [P]
  at::Tensor rate_factors_;  // [P], or undefined
};

// One of A and B in the flat buffer.
struct MatrixRange {
  int64_t first;
  int64_t row_count;
  int64_t column_count;
  double rate_factor = 1;  // by which its learning rate is larger (LoRA+: of B; the text encoder's own)

  int64_t count() const { return row_count * column_count; }
};

// What besides the adapter's values an optimiser is made of.
struct OptimizerSetting {
  std::vector<MatrixRange> matrices;  // all of the buffer, in order
  std::vector<double> scales;         // alpha / r of each two of them, A and B
  int64_t warmup_steps;               // of schedule-free AdamW, which has no schedule but this
};

// Throws Error(kUsage): --optimizer-args that it does not have. Prodigy has one learning rate for all.
std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options, const at::Tensor& parameters,
                                          const OptimizerSetting& setting);

// While it lives `parameters` [P] are `shown` [P], as evaluation_parameters(); then again what they were, to
// the bit.
class ShownParameters {
 public:
  ShownParameters(const at::Tensor& shown, at::Tensor parameters);
  ~ShownParameters();
  ShownParameters(const ShownParameters&) = delete;
  ShownParameters& operator=(const ShownParameters&) = delete;

 private:
  at::Tensor parameters_;
  at::Tensor trained_;  // undefined: they are the same
};

}  // namespace sdlora::trainer
