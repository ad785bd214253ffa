// What a forward goes through: the UNet, and the text encoder where it is trained.
#pragma once

#include <memory>

#include "lora/lora_config.h"
#include "model/model_source.h"

namespace sdlora::trainer {

struct Networks {
  const model::UNet& unet;
  const model::ClipTextReader* text_reader = nullptr;  // null: embeddings are given
};

// Null unless `lora` trains it. Computes as the UNet does.
std::unique_ptr<model::ClipTextReader> load_trained_reader(const lora::LoraConfig& lora,
                                                           const model::ModelSource& model,
                                                           const model::ClipReading& reading,
                                                           const model::ComputeMode& mode);

}  // namespace sdlora::trainer
