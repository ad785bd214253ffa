// What each optimiser can be told, with the defaults of its original in Python: what --optimizer-args sets.
#pragma once

#include <limits>
#include <optional>

#include "trainer/options/optimizer_options.h"

namespace sdlora::trainer {

// With 1 a moment never sees a gradient, and its bias correction divides by 0.
inline constexpr double kLargestDecay = 0.999999999;
inline constexpr double kLeastEps = 1e-30;

// Each …_config() throws Error(kUsage): an argument that this optimiser does not have, or a value that it
// cannot take.

struct AdamWConfig {  // torch.optim.AdamW; --adam-beta1 … and --weight-decay hold where nothing else is said
  double beta1;
  double beta2;
  double eps;
  double weight_decay;
};

AdamWConfig adamw_config(const OptimizerOptions& options);

struct LionConfig {  // lion_pytorch.Lion
  double beta1 = 0.9;
  double beta2 = 0.99;
  double weight_decay = 0;
};

LionConfig lion_config(const OptimizerOptions& options);

struct AdafactorConfig {      // transformers.Adafactor
  double square_eps = 1e-30;  // eps[0], added to squares
  double least_scale = 1e-3;  // eps[1], of the parameters' root mean square
  double clip_threshold = 1;  // of an update's root mean square
  double decay_rate = -0.8;
  std::optional<double> beta1;  // of a first moment; nothing: without
  double weight_decay = 0;
  bool scales_by_parameters = true;  // scale_parameter
  bool has_relative_step = true;     // its own learning rate, min(0.01, 1 / √t)
  bool has_warmup_init = false;      // min(1e-6 t, 1 / √t)
};

AdafactorConfig adafactor_config(const OptimizerOptions& options);

struct ProdigyConfig {  // prodigyopt.Prodigy
  double beta1 = 0.9;
  double beta2 = 0.999;
  std::optional<double> beta3;  // nothing: √β2
  double eps = 1e-8;
  double weight_decay = 0;
  bool is_decay_decoupled = true;  // decouple
  bool corrects_bias = false;      // use_bias_correction
  bool guards_warmup = false;      // safeguard_warmup
  double d0 = 1e-6;
  double d_coef = 1;
  double growth_rate = std::numeric_limits<double>::infinity();
};

ProdigyConfig prodigy_config(const OptimizerOptions& options);

struct ScheduleFreeConfig {  // schedulefree.AdamWScheduleFree
  double beta1 = 0.9;        // above 0
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0;
  double r = 0;
  double weight_lr_power = 2;
};

ScheduleFreeConfig schedule_free_config(const OptimizerOptions& options);

// Of whichever it is. Throws as they do.
double weight_decay_of(const OptimizerOptions& options);

// Whether it goes by --learning-rate and --warmup-steps; whether by --lr-schedule, too.
bool takes_learning_rate(const OptimizerOptions& options);
bool takes_schedule(const OptimizerOptions& options);

}  // namespace sdlora::trainer
