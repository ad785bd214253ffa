#include "model/noise/noise_schedule.h"

#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "model/noise/betas.h"

namespace sdlora::model {
namespace {

// How σ stays finite where nothing of the picture is left: diffusers puts fp16's least number there.
constexpr float kLeastAlpha = 0x1p-24F;

void refuse_flow_matching(const ModelConfig& config) {
  const std::string expected = "that of a scheduler with betas, as Stable Diffusion 1.x and 2.x have";
  const std::string advice =
      "flow matching belongs to other families, such as Stable Diffusion 3 and Flux; " +
      std::string("use a model of the Stable Diffusion 1.x or 2.x architecture");
  if (config.text("_class_name", "").starts_with("FlowMatch")) config.refuse("_class_name", expected, advice);
  if (config.text("prediction_type", "").starts_with("flow"))
    config.refuse("prediction_type", expected, advice);
  config.require("use_flow_sigmas", "false", advice);
}

PredictionType prediction_of_file(const ModelConfig& config) {
  const std::string type = config.text("prediction_type", "epsilon");
  if (type == "v_prediction") return PredictionType::kVelocity;
  if (type != "epsilon")
    config.refuse("prediction_type", "\"epsilon\" or \"v_prediction\"",
                  "where the file is wrong, give --prediction-type");
  return PredictionType::kEpsilon;
}

std::string origin_of(bool is_asked_for, const ModelConfig& config, const std::string& option,
                      const std::string& key) {
  if (is_asked_for) return option;
  if (config.has(kSaidBy)) return config.text(kSaidBy);
  return config.has(key) ? "scheduler file" : "assumed: the scheduler file does not say";
}

void refuse_epsilon_without_signal(const ModelConfig& config, const std::string& prediction,
                                   const std::string& zero_snr, bool is_of_the_file) {
  throw Error(
      is_of_the_file ? ExitCode::kBadData : ExitCode::kUsage,
      {.what = "a zero terminal signal-to-noise ratio needs velocity prediction",
       .expected = "prediction type v_prediction: at the last timestep nothing of the picture is left, "
                   "so that epsilon says nothing about it",
       .seen = fmt::format("{}, {}", prediction, zero_snr),
       .where = config.file().string(),
       .advice = "give --prediction-type v_prediction if the model was trained so, else "
                 "--zero-terminal-snr off"});
}

// √ᾱ and √(1-ᾱ) at the timesteps, shaped to multiply [B, 4, h, w].
std::pair<at::Tensor, at::Tensor> signal_and_noise(const at::Tensor& alphas_cumprod,
                                                   const at::Tensor& timesteps, const at::Tensor& like) {
  const at::Tensor alpha = alphas_cumprod.to(like.options()).index_select(0, timesteps).view({-1, 1, 1, 1});
  return {alpha.sqrt(), (1 - alpha).sqrt()};
}

}  // namespace

NoiseSchedule::NoiseSchedule(const ModelConfig& config, const NoiseWish& wish) {
  refuse_flow_matching(config);
  const bool asks_for_prediction = wish.prediction != PredictionWish::kAuto;
  const bool asks_for_snr = wish.zero_terminal_snr != ZeroSnrWish::kAuto;
  if (asks_for_prediction)
    prediction_type_ =
        wish.prediction == PredictionWish::kVelocity ? PredictionType::kVelocity : PredictionType::kEpsilon;
  else
    prediction_type_ = prediction_of_file(config);
  has_zero_terminal_snr_ = asks_for_snr ? wish.zero_terminal_snr == ZeroSnrWish::kOn
                                        : config.boolean("rescale_betas_zero_snr", false);
  const bool is_epsilon = prediction_type_ == PredictionType::kEpsilon;
  const std::string prediction =
      fmt::format("predicts {} ({})", is_epsilon ? "epsilon" : "velocity",
                  origin_of(asks_for_prediction, config, "--prediction-type", "prediction_type"));
  const std::string zero_snr =
      fmt::format("zero terminal SNR {} ({})", has_zero_terminal_snr_ ? "on" : "off",
                  origin_of(asks_for_snr, config, "--zero-terminal-snr", "rescale_betas_zero_snr"));
  if (is_epsilon && has_zero_terminal_snr_)
    refuse_epsilon_without_signal(config, prediction, zero_snr, !asks_for_prediction && !asks_for_snr);
  description_ = prediction + ", " + zero_snr;
  at::Tensor betas = betas_of(config);
  if (has_zero_terminal_snr_) betas = rescale_to_zero_terminal_snr(betas);
  alphas_cumprod_ = (1 - betas).cumprod(0);
  alphas_cumprod_on_device_ = alphas_cumprod_;
}

std::string NoiseSchedule::identity() const {
  const at::Tensor alphas = alphas_cumprod_.contiguous();
  const std::string hash =
      checkpoint::sha256_of({static_cast<const char*>(alphas.const_data_ptr()), alphas.nbytes()});
  return fmt::format("{}, SHA-256 of its {} timesteps {}",
                     prediction_type_ == PredictionType::kEpsilon ? "epsilon" : "velocity", timestep_count(),
                     hash);
}

NoiseSchedule NoiseSchedule::on(at::Device device) const {
  NoiseSchedule schedule = *this;
  schedule.alphas_cumprod_on_device_ = alphas_cumprod_.to(device);
  return schedule;
}

at::Tensor NoiseSchedule::nonzero_alphas_cumprod() const {
  if (!has_zero_terminal_snr_) return alphas_cumprod_;
  at::Tensor alphas = alphas_cumprod_.clone();
  alphas[-1] = kLeastAlpha;
  return alphas;
}

at::Tensor NoiseSchedule::add_noise(const at::Tensor& latents, const at::Tensor& noise,
                                    const at::Tensor& timesteps) const {
  const auto [signal, noise_share] = signal_and_noise(alphas_cumprod_on_device_, timesteps, latents);
  return signal * latents + noise_share * noise;
}

at::Tensor NoiseSchedule::target(const at::Tensor& latents, const at::Tensor& noise,
                                 const at::Tensor& timesteps) const {
  if (prediction_type_ == PredictionType::kEpsilon) return noise;
  const auto [signal, noise_share] = signal_and_noise(alphas_cumprod_on_device_, timesteps, latents);
  return signal * noise - noise_share * latents;
}

at::Tensor NoiseSchedule::snr(const at::Tensor& timesteps) const {
  const at::Tensor alpha = alphas_cumprod_on_device_.to(timesteps.device()).index_select(0, timesteps);
  return alpha / (1 - alpha);
}

}  // namespace sdlora::model
