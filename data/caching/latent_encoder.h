// Pixels to the VAE's posterior, in fp32, one picture a forward so that the result does not depend on its
// neighbours.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "model/model_source.h"

namespace sdlora::data {

class LatentEncoder {
 public:
  // The weights are loaded by the first encode(): a run that only copies never reads them. On a GPU this
  // turns TF32 off, in the whole process.
  LatentEncoder(model::ModelDirectory model, at::Device device, bool flip);

  // `rgb`: side × side × 3 bytes, rows from the top. Pixels become byte / 255 × 2 - 1.
  // Returns [planes, 4, side / 8, side / 8] f32 on the CPU; planes as in shard_format.h. Any
  // number of threads at a time.
  at::Tensor encode(const std::string& rgb, int64_t side_pixels);

 private:
  model::ModelDirectory model_;
  at::Device device_;
  bool flip_;
  std::once_flag is_loaded_;
  std::optional<model::Vae> vae_;
};

}  // namespace sdlora::data
