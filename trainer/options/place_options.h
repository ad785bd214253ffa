// Where a run finds what it needs, and where it goes.
#pragma once

#include <cstdint>
#include <filesystem>

#include "common/options.h"
#include "model/model_source.h"

namespace sdlora::trainer {

struct PlaceOptions {
  std::filesystem::path model;   // directory, checkpoint file or hub id
  std::filesystem::path vae;     // in place of the model's own; empty: that
  std::filesystem::path data;    // directory written by cache_latents
  std::filesystem::path output;  // run directory
  int64_t image_size = 0;        // pixels; 0: what the data has

  void declare(OptionGroup group);

  // Throws as ModelSource.
  model::ModelSource model_source() const { return model::ModelSource(model, vae); }
};

}  // namespace sdlora::trainer
