#include "model/samplers/dpmpp_2m.h"

#include <cmath>

#include <ATen/ATen.h>

#include "model/samplers/noise_levels.h"
#include "model/samplers/timestep_spacing.h"

namespace sdlora::model {
namespace {

// Up to this many steps the last one is of first order, which is steadier.
constexpr size_t kFewSteps = 14;

struct Table {
  std::vector<double> timesteps;
  std::vector<float> levels;  // σ/α at each timestep, and at the end
};

// Signal and noise of a variance-preserving x at noise level σ/α.
struct Share {
  explicit Share(float level) : alpha(1 / std::sqrt(level * level + 1)), sigma(level * alpha) {}

  float lambda() const { return std::log(alpha) - std::log(sigma); }  // half the log signal-to-noise ratio

  float alpha;
  float sigma;
};

void refuse_other_solvers(const ModelConfig& config) {
  const std::string algorithm = config.text("algorithm_type", "dpmsolver++");
  if (algorithm != "dpmsolver++" && algorithm != "deis")  // diffusers takes DEIS's files so, too
    config.refuse("algorithm_type", "\"dpmsolver++\"");
  config.require("solver_order", "2");
  for (const char* key : {"thresholding", "use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas",
                          "use_flow_sigmas", "use_dynamic_shifting"})
    config.require(key, "false");
  config.require("lambda_min_clipped", "null");
  config.require("variance_type", "null");
}

bool uses_heun(const ModelConfig& config) {
  const std::string type = config.text("solver_type", "midpoint");
  if (type == "heun") return true;
  for (const char* other : {"midpoint", "logrho", "bh1", "bh2"})  // of DEIS's and UniPC's files
    if (type == other) return false;
  config.refuse("solver_type", "\"midpoint\" or \"heun\"");
}

float last_level(const ModelConfig& config, const std::vector<float>& levels) {
  const std::string type = config.text("final_sigmas_type", "zero");
  if (type == "zero") return 0;
  if (type == "sigma_min") return levels.front();
  config.refuse("final_sigmas_type", "\"zero\" or \"sigma_min\"");
}

std::vector<double> plain_timesteps(const ModelConfig& config, int64_t timestep_count, int64_t step_count) {
  const TimestepSpacing spacing = timestep_spacing_of(config, TimestepSpacing::kLinspace);
  const bool leaves_out_last = spacing != TimestepSpacing::kTrailing;  // timestep 0, or the offset
  require_step_count(step_count, timestep_count - (leaves_out_last ? 1 : 0));
  std::vector<double> timesteps = spaced_timesteps(
      spacing, timestep_count, step_count + (leaves_out_last ? 1 : 0), config.integer("steps_offset", 0));
  if (leaves_out_last) timesteps.pop_back();
  round_timesteps(timesteps);
  require_inside_schedule(timesteps, timestep_count, step_count);
  return timesteps;
}

Table make_table(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                 bool uses_karras_sigmas) {
  const std::vector<float> levels = noise_levels_of(schedule);
  Table table{.timesteps = plain_timesteps(config, schedule.timestep_count(), step_count), .levels = {}};
  if (uses_karras_sigmas) {
    table.timesteps.clear();
    for (const double level : karras_levels(levels, step_count)) {
      table.levels.push_back(static_cast<float>(level));
      table.timesteps.push_back(timestep_of_level(levels, level));
    }
    round_timesteps(table.timesteps);
  } else {
    for (const double timestep : table.timesteps)
      table.levels.push_back(static_cast<float>(noise_level_at(levels, timestep)));
  }
  table.levels.push_back(last_level(config, levels));
  return table;
}

}  // namespace

Dpmpp2m::Dpmpp2m(const ModelConfig& config, const NoiseSchedule& schedule, int64_t step_count,
                 bool uses_karras_sigmas)
    : prediction_type_(schedule.prediction_type()) {
  refuse_other_solvers(config);
  const bool is_heun = uses_heun(config);
  const Table table = make_table(config, schedule, step_count,
                                 uses_karras_sigmas || config.boolean("use_karras_sigmas", false));
  const size_t count = table.timesteps.size();
  for (size_t i = 0; i < count; ++i) {
    const Share now(table.levels[i]), next(table.levels[i + 1]);
    const float h = next.lambda() - now.lambda();  // ∞ when the end has no noise
    const float decay = std::exp(-h) - 1;
    Step step{.timestep = table.timesteps[i],
              .alpha = now.alpha,
              .sigma = now.sigma,
              .from_x = next.sigma / now.sigma,
              .from_picture = -(next.alpha * decay),
              .from_change = 0};
    if (i > 0) {
      const float r = (now.lambda() - Share(table.levels[i - 1]).lambda()) / h;
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
    const at::Tensor prediction = denoise(x, step.timestep);
    const at::Tensor picture = prediction_type_ == PredictionType::kEpsilon
                                   ? (x - step.sigma * prediction) / step.alpha
                                   : step.alpha * x - step.sigma * prediction;
    at::Tensor next = step.from_x * x + step.from_picture * picture;
    const bool is_first_order = !previous_picture.defined() || (i + 1 == steps_.size() && ends_first_order_);
    if (!is_first_order) next += step.from_change * (picture - previous_picture);
    previous_picture = picture;
    x = next;
  }
  return x;
}

}  // namespace sdlora::model
