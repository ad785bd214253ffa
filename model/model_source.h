// A diffusers-layout model directory: which part lies where, its hash, and loading it.
//
//   unet/config.json  unet/diffusion_pytorch_model[.fp16].safetensors (or sharded with an .index.json)
//   vae/…  text_encoder/…  tokenizer/…  scheduler/scheduler_config.json
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/clip/clip_text_encoder.h"
#include "model/clip/clip_tokenizer.h"
#include "model/loading/compute_mode.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/unet.h"
#include "model/vae/vae.h"

namespace sdlora::model {

class ModelDirectory {
 public:
  // Throws Error(kUsage) when the directory, or one of the parts a program needs, is not there.
  explicit ModelDirectory(std::filesystem::path directory);

  const std::filesystem::path& path() const { return path_; }

  UNet load_unet(const ComputeMode& mode) const;
  Vae load_vae(const ComputeMode& mode) const;
  ClipTextEncoder load_text_encoder(const ComputeMode& mode) const;
  ClipTokenizer load_tokenizer() const;
  NoiseSchedule load_noise_schedule() const;

  // Values in the part's weight files, from their headers.
  int64_t parameter_count_of(const std::string& part) const;

  // SHA-256 over the part's config and weight files (part: "unet", "vae", "text_encoder"); reads every byte
  // of those that this user's HashMemory does not know.
  std::string hash_of(const std::string& part) const;

  // Which files hash_of() would read, by device, inode, size and time of change: equal on two ranks of a host
  // when they see the same files unchanged. Reads no byte of them. Throws Error(kIo).
  std::string file_identity_of(const std::string& part) const;

 private:
  // The part's config and weight files.
  std::vector<std::filesystem::path> files_of(const std::string& part) const;
  std::filesystem::path part_directory(const std::string& part) const;

  std::filesystem::path path_;
};

}  // namespace sdlora::model
