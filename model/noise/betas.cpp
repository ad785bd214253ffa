#include "model/noise/betas.h"

#include <cmath>
#include <numbers>

#include <ATen/ATen.h>

namespace sdlora::model {
namespace {

constexpr int64_t kMostTimesteps = 1'000'000;  // models have 1,000

at::Tensor trained_betas(const ModelConfig& config, int64_t timestep_count) {
  const std::vector<double> betas = config.numbers("trained_betas");
  if (config.has("num_train_timesteps") && static_cast<int64_t>(betas.size()) != timestep_count)
    config.refuse("trained_betas", std::to_string(timestep_count) + " numbers, as num_train_timesteps says");
  if (betas.size() > kMostTimesteps)
    config.refuse("trained_betas", "at most " + std::to_string(kMostTimesteps) + " numbers");
  for (const double beta : betas)
    if (!(beta >= 0 && beta <= 1)) config.refuse("trained_betas", "numbers from 0 to 1");
  return at::tensor(betas, at::kDouble).to(at::kFloat);
}

// Nichol and Dhariwal 2021, "Improved denoising diffusion probabilistic models", eq. 17.
at::Tensor cosine_betas(int64_t timestep_count) {
  constexpr double kOffset = 0.008, kMostBeta = 0.999;
  const auto alpha_bar = [&](int64_t timestep) {
    const double time = static_cast<double>(timestep) / static_cast<double>(timestep_count);
    const double cosine = std::cos((time + kOffset) / (1 + kOffset) * std::numbers::pi / 2);
    return cosine * cosine;
  };
  std::vector<double> betas;
  betas.reserve(static_cast<size_t>(timestep_count));
  for (int64_t t = 0; t < timestep_count; ++t)
    betas.push_back(std::min(1 - alpha_bar(t + 1) / alpha_bar(t), kMostBeta));
  return at::tensor(betas, at::kDouble).to(at::kFloat);
}

}  // namespace

at::Tensor betas_of(const ModelConfig& config) {
  const int64_t timestep_count = config.integer("num_train_timesteps", 1000);
  if (timestep_count < 1 || timestep_count > kMostTimesteps)
    config.refuse("num_train_timesteps", "1 to " + std::to_string(kMostTimesteps));
  if (config.has("trained_betas")) return trained_betas(config, timestep_count);
  const std::string kind = config.text("beta_schedule", "linear");
  if (kind == "squaredcos_cap_v2") return cosine_betas(timestep_count);
  const double first = config.number("beta_start", 0.0001), last = config.number("beta_end", 0.02);
  if (first < 0 || first >= 1) config.refuse("beta_start", "0 or more, and less than 1");
  if (last < 0 || last >= 1) config.refuse("beta_end", "0 or more, and less than 1");
  if (kind == "linear") return at::linspace(first, last, timestep_count, at::kFloat);
  if (kind != "scaled_linear")
    config.refuse("beta_schedule", R"("scaled_linear", "linear" or "squaredcos_cap_v2")");
  return at::linspace(std::sqrt(first), std::sqrt(last), timestep_count, at::kFloat).pow(2);
}

at::Tensor rescale_to_zero_terminal_snr(const at::Tensor& betas) {
  const at::Tensor signal = (1 - betas).cumprod(0).sqrt();  // √ᾱ
  const at::Tensor first = signal[0], last = signal[-1];
  const at::Tensor rescaled = ((signal - last) * (first / (first - last))).pow(2);  // ᾱ
  return 1 - at::cat({rescaled.slice(0, 0, 1), rescaled.slice(0, 1) / rescaled.slice(0, 0, -1)});
}

}  // namespace sdlora::model
