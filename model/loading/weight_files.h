// Which files of a part's folder hold its weights.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::model {

struct WeightFiles {
  std::vector<std::filesystem::path> files;  // one, or all shards
  std::string variant;                       // "fp16"; empty for the plain files
};

// In the order of preference of diffusers' from_pretrained: NAME.safetensors or its shards, NAME.bin or its
// shards, and then, since a folder may hold only these, the same of the variants fp16, bf16 and non_ema; for
// the names of diffusers ("diffusion_pytorch_model") and transformers ("model", "pytorch_model"). Throws
// Error(kUsage) naming the folder, what was sought and what weights of other programs are there instead;
// Error(kIo) for a link to nothing or a shard that is not there; Error(kBadData) for an index that names
// files elsewhere.
WeightFiles find_weight_files(const std::filesystem::path& part_directory);

}  // namespace sdlora::model
