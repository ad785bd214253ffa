#include "model/containers/prediction_type.h"

#include <ATen/ATen.h>
#include <yaml-cpp/yaml.h>

#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::model {
namespace {

constexpr double kSpreadOfVelocity = 0.09;
constexpr const char* kTellingBias = "output_blocks.11.1.transformer_blocks.0.norm1.bias";

bool has_ending(const StoredWeights& weights, const std::string& name) {
  return weights.contains(name) || weights.contains("model." + name);
}

std::optional<FoundPrediction> said_by_yaml(const std::filesystem::path& checkpoint) {
  std::filesystem::path file = checkpoint;
  file.replace_extension(".yaml");
  if (!std::filesystem::is_regular_file(file)) return std::nullopt;
  try {
    const YAML::Node model = YAML::Load(read_text(file))["model"];
    if (!model || !model.IsMap() || !model["params"] || !model["params"].IsMap()) return std::nullopt;
    const YAML::Node said = model["params"]["parameterization"];  // absent for epsilon
    return FoundPrediction{.is_velocity = said && said.IsScalar() && said.Scalar() == "v",
                           .has_zero_terminal_snr = false,
                           .reason = "parameterization in " + file.filename().string()};
  } catch (const YAML::Exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read the YAML file of a checkpoint",
                                     .expected = "YAML with model.params.parameterization",
                                     .seen = failure.what(),
                                     .where = file.string(),
                                     .advice = "mend it or move it away, and give --prediction-type"});
  }
}

std::optional<FoundPrediction> said_by_metadata(const StoredWeights& whole) {
  if (whole.empty()) return std::nullopt;
  const checkpoint::Metadata& metadata = whole.begin()->second.file->metadata();
  const auto found = metadata.find("modelspec.prediction_type");
  if (found == metadata.end()) return std::nullopt;
  const bool is_velocity = found->second == "v" || found->second == "v_prediction";
  if (!is_velocity && found->second != "epsilon") return std::nullopt;
  return FoundPrediction{.is_velocity = is_velocity,
                         .has_zero_terminal_snr = false,
                         .reason = "modelspec.prediction_type in the file"};
}

FoundPrediction found_without_markers(const StoredWeights& unet, const StoredWeights& whole,
                                      const std::filesystem::path& file) {
  if (const auto said = said_by_yaml(file)) return *said;
  if (const auto said = said_by_metadata(whole)) return *said;
  if (has_ending(whole, "v_pred"))
    return {.is_velocity = true, .has_zero_terminal_snr = false, .reason = "a tensor v_pred in the file"};
  const auto projection = unet.find("input_blocks.1.1.proj_in.weight");
  const bool is_sd1 = projection == unet.end() || projection->second.shape.size() != 2;
  if (is_sd1)
    return {
        .is_velocity = false, .has_zero_terminal_snr = false, .reason = "assumed of Stable Diffusion 1.x"};
  const auto bias = unet.find(kTellingBias);
  const bool is_velocity =
      bias != unet.end() && bias->second.read().to(at::kFloat).std().item<double>() > kSpreadOfVelocity;
  return {.is_velocity = is_velocity,
          .has_zero_terminal_snr = false,
          .reason = "guessed for Stable Diffusion 2.x from the spread of a bias"};
}

}  // namespace

FoundPrediction find_prediction_type(const StoredWeights& unet, const StoredWeights& whole,
                                     const std::filesystem::path& file) {
  FoundPrediction found = found_without_markers(unet, whole, file);
  found.has_zero_terminal_snr = found.is_velocity && has_ending(whole, "ztsnr");
  return found;
}

}  // namespace sdlora::model
