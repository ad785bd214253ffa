// --prompt-file: many pictures in one run. A line is a prompt, or, when it begins with `{`, a JSON object:
//
//   a lighthouse at night
//   {"prompt": "a fox", "negative_prompt": "blurry", "seed": 7, "init_image": "fox.jpg", "output": "fox.png"}
//
// Everything but the prompt may be left out; what stands there wins over the command line. Empty lines are
// passed over. Paths of pictures to start from are relative to the file's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sdlora::inference {

struct PromptLine {
  std::string prompt;
  std::optional<std::string> negative_prompt;
  std::optional<int64_t> seed;
  std::filesystem::path init_image;  // empty: none
  std::filesystem::path output;      // below the output directory, ends in .png; empty: numbered
};

// Throws Error(kIo) when it cannot be read, Error(kBadData) naming the line.
std::vector<PromptLine> read_prompt_file(const std::filesystem::path& file);

}  // namespace sdlora::inference
