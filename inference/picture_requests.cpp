#include "inference/picture_requests.h"

#include <set>

#include <fmt/format.h>

#include "common/error.h"
#include "inference/prompt_file.h"

namespace sdlora::inference {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse_output(const GenerateOptions& options, const std::string& expected) {
  throw Error(ExitCode::kUsage,
              {.what = "--output does not fit", .expected = expected, .seen = options.output.string()});
}

bool names_a_file(const GenerateOptions& options) {
  if (fs::is_directory(options.output)) return false;
  for (const char* other : {".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".PNG"})
    if (options.output.extension() == other) refuse_output(options, "FILE.png or a directory");
  return options.output.extension() == ".png";
}

// FILE.png → FILE-0.png …, as many digits as the last one has
fs::path numbered(const fs::path& file, int64_t index, int64_t count) {
  if (count == 1) return file;
  const size_t digits = std::to_string(count - 1).size();
  return file.parent_path() / fmt::format("{}-{:0{}}.png", file.stem().string(), index, digits);
}

void require_distinct_outputs(const std::vector<PictureRequest>& requests) {
  std::set<fs::path> seen;
  for (const PictureRequest& request : requests)
    if (!seen.insert(request.output.lexically_normal()).second)
      throw Error(ExitCode::kBadData, {.what = "two pictures would be written to one file",
                                       .where = request.output.string(),
                                       .advice = "give each line of the prompt file its own output"});
}

}  // namespace

std::vector<PictureRequest> picture_requests(const GenerateOptions& options) {
  const bool is_file = names_a_file(options);
  if (is_file && !options.prompt_file.empty()) refuse_output(options, "a directory, for --prompt-file");
  const std::vector<PromptLine> lines = options.prompt_file.empty()
                                            ? std::vector<PromptLine>{{.prompt = *options.prompt}}
                                            : read_prompt_file(options.prompt_file);
  std::vector<PictureRequest> requests;
  for (const PromptLine& line : lines) {
    for (int64_t i = 0; i < options.image_count; ++i) {
      const auto index = static_cast<int64_t>(requests.size());
      fs::path output = options.output / fmt::format("{:04}.png", index);
      if (is_file) output = numbered(options.output, i, options.image_count);
      if (!line.output.empty()) output = numbered(options.output / line.output, i, options.image_count);
      requests.push_back({.prompt = line.prompt,
                          .negative_prompt = line.negative_prompt.value_or(options.negative_prompt),
                          .seed = static_cast<uint64_t>(line.seed ? *line.seed + i : options.seed + index),
                          .init_image = line.init_image.empty() ? options.init_image : line.init_image,
                          .output = output});
    }
  }
  require_distinct_outputs(requests);
  return requests;
}

}  // namespace sdlora::inference
