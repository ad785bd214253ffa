// The parts of a text-to-image model that are kept and loaded apart.
#pragma once

#include <string>

namespace sdlora::model {

enum class ModelPart { kUnet, kVae, kTextEncoder, kTokenizer, kScheduler };

// "unet", "vae", "text_encoder", "tokenizer", "scheduler": as diffusers' folders and messages call it.
std::string name_of(ModelPart part);

}  // namespace sdlora::model
