// What an adapter's file is made of, before anything is understood of it: so that also a file that cannot be
// used can be looked at.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/named_tensors.h"

namespace sdlora::lora {

struct FileSurvey {
  std::filesystem::path file;
  int64_t tensor_count = 0;
  int64_t byte_count = 0;                   // of the tensors
  std::map<std::string, int64_t> types;     // "Half": tensors of it
  std::vector<std::string> nonfinite = {};  // names of tensors with NaN or infinity
  checkpoint::Metadata metadata;
  std::string data_hash;  // sshs_model_hash as it should be: of safetensors; empty: of another container
};

// `path`: as read_adapter() takes it. Throws Error(kBadData) for what is no file of tensors, Error(kIo),
// Error(kUsage).
FileSurvey survey(const std::filesystem::path& path);

}  // namespace sdlora::lora
