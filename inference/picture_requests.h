// The pictures of a run, one by one, as the command line and the prompt file ask for them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "inference/generate_options.h"

namespace sdlora::inference {

struct PictureRequest {
  std::string prompt;
  std::string negative_prompt;
  uint64_t seed;
  std::filesystem::path init_image;  // empty: text-to-image
  std::filesystem::path output;      // FILE.png
};

// In the order of the lines, the images of a prompt together. Picture k of the run has seed --seed + k; where
// a line brings its own seed, its image i has that + i. Throws what read_prompt_file throws, Error(kUsage)
// for an output that cannot hold the pictures, Error(kBadData) when two pictures would have one name.
std::vector<PictureRequest> picture_requests(const GenerateOptions& options);

}  // namespace sdlora::inference
