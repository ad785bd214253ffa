// Pixels to the VAE's posterior, one picture a forward so that the result does not depend on its
// neighbours.
#pragma once

#include <mutex>
#include <optional>
#include <string>

#include "data/images/picture_size.h"
#include "model/model_source.h"

namespace sdlora::data {

class LatentEncoder {
 public:
  // The weights are loaded by the first encode(): a run that only copies never reads them. On a GPU this
  // turns TF32 off, in the whole process.
  LatentEncoder(model::ModelSource model, at::Device device, at::ScalarType dtype, bool flip);

  // `rgb`: height × width × 3 bytes, rows from the top.
  // Returns [planes, 4, height / 8, width / 8] f32 on the CPU; planes as in shard_format.h. Any number of
  // threads at a time.
  at::Tensor encode(const std::string& rgb, const PictureSize& size);

 private:
  model::ModelSource model_;
  at::Device device_;
  at::ScalarType dtype_;
  bool flip_;
  std::once_flag is_loaded_;
  std::optional<model::Vae> vae_;
};

}  // namespace sdlora::data
