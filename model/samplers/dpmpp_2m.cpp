#include "model/samplers/dpmpp_2m.h"

#include <cmath>

#include <ATen/ATen.h>

#include "model/samplers/lambda_table.h"
#include "model/samplers/predicted_picture.h"

namespace sdlora::model {
namespace {

// Up to this many steps the last one is of first order, which is steadier.
constexpr size_t kFewSteps = 14;

void refuse_other_solvers(const ModelConfig& config) {
  const std::string algorithm = config.text("algorithm_type", "dpmsolver++");
  if (algorithm != "dpmsolver++" && algorithm != "deis")  // diffusers takes DEIS's files so, too
    config.refuse("algorithm_type", "\"dpmsolver++\"", kSimplerSamplerAdvice);
  config.require("solver_order", "2", kSimplerSamplerAdvice);
  config.require("thresholding", "false",
                 "use --sampler euler_a, which does without (a training run: leave out --preview-every)");
  for (const char* key :
       {"use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "use_dynamic_shifting"})
    config.require(key, "false", kSimplerSamplerAdvice);
}

bool uses_heun(const ModelConfig& config) {
  const std::string type = config.text("solver_type", "midpoint");
  if (type == "heun") return true;
  for (const char* other : {"midpoint", "logrho", "bh1", "bh2"})  // of DEIS's and UniPC's files
    if (type == other) return false;
  config.refuse("solver_type", "\"midpoint\" or \"heun\"", kSimplerSamplerAdvice);
}

}  // namespace

Dpmpp2m::Dpmpp2m(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                 bool uses_karras_sigmas)
    : prediction_type_(schedule.prediction_type()) {
  refuse_other_solvers(config);
  const bool is_heun = uses_heun(config);
  const LambdaTable table = make_lambda_table(config, schedule, step_count, uses_karras_sigmas);
  const size_t count = table.timesteps.size();
  for (size_t i = 0; i < count; ++i) {
    const SignalAndNoise now(table.levels[i]), next(table.levels[i + 1]);
    const float h = next.lambda() - now.lambda();  // ∞ when the end has no noise
    const float decay = std::exp(-h) - 1;
    Step step{.timestep = table.timesteps[i],
              .alpha = now.alpha,
              .sigma = now.sigma,
              .from_x = next.sigma / now.sigma,
              .from_picture = -(next.alpha * decay),
              .from_change = 0};
    if (i > 0) {
      const float r = (now.lambda() - SignalAndNoise(table.levels[i - 1]).lambda()) / h;
      const float slope = is_heun ? next.alpha * (decay / h + 1) : -0.5F * next.alpha * decay;
      step.from_change = slope / r;
    }
    steps_.push_back(step);
  }
  ends_first_order_ = config.boolean("euler_at_final", false) || table.levels.back() == 0 ||
                      (config.boolean("lower_order_final", true) && count <= kFewSteps);
}

at::Tensor Dpmpp2m::add_noise(const at::Tensor& latents, const at::Tensor& noise, int64_t first_step) const {
  const Step& step = steps_.at(static_cast<size_t>(first_step));
  return step.alpha * latents + step.sigma * noise;
}

at::Tensor Dpmpp2m::sample(at::Tensor x, int64_t first_step, const Denoiser& denoise,
                           const NoiseSource& /*draw_noise*/) const {
  at::Tensor previous_picture;
  for (size_t i = static_cast<size_t>(first_step); i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const at::Tensor picture =
        picture_in_mixture(prediction_type_, x, denoise(x, step.timestep), step.alpha, step.sigma);
    at::Tensor next = step.from_x * x + step.from_picture * picture;
    const bool is_first_order = !previous_picture.defined() || (i + 1 == steps_.size() && ends_first_order_);
    if (!is_first_order) next += step.from_change * (picture - previous_picture);
    previous_picture = picture;
    x = next;
  }
  return x;
}

}  // namespace sdlora::model
