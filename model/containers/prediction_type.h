// What the UNet of a checkpoint file predicts. Few files say so; a wrong guess costs hours of training, so
// the answer comes with its reason, for the start-up table.
#pragma once

#include <filesystem>
#include <string>

#include "model/loading/stored_weights.h"

namespace sdlora::model {

struct FoundPrediction {
  bool is_velocity;
  bool has_zero_terminal_snr;
  std::string reason;  // "modelspec.prediction_type in the file"
};

// In this order: `parameterization` in a YAML file of the checkpoint's name beside it (as A1111 reads it),
// modelspec.prediction_type in the safetensors' metadata, a marker tensor v_pred, else epsilon for 1.x and
// for 2.x what a bias of the last transformer says, which training for velocity drives apart (ComfyUI's
// rule). `unet`: by LDM's names without a prefix; `whole`: the file. Throws Error(kBadData) for a YAML
// file that cannot be read.
FoundPrediction find_prediction_type(const StoredWeights& unet, const StoredWeights& whole,
                                     const std::filesystem::path& file);

}  // namespace sdlora::model
