#include "inference/prompt_file.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"

namespace sdlora::inference {
namespace {

namespace fs = std::filesystem;

// What is wrong with one line; the place is added by the reader.
class BadLine : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// A file name that stays in the output directory.
fs::path output_name(const std::string& text) {
  fs::path name(text);
  const bool leaves = name.is_absolute() || std::find(name.begin(), name.end(), "..") != name.end();
  if (leaves || name.extension() != ".png" || name.stem().empty())
    throw BadLine("output must be a file name ending in .png, below the output directory; it is " + text);
  return name;
}

PromptLine parse_object(const std::string& text, const fs::path& folder) {
  const auto json = parse_json(text);
  PromptLine line{.prompt = json.at("prompt").get<std::string>()};
  for (const auto& [key, value] : json.items()) {
    if (key == "negative_prompt")
      line.negative_prompt = value.get<std::string>();
    else if (key == "seed") {
      if (!value.is_number_unsigned() || value.get<uint64_t>() > INT64_MAX)
        throw BadLine("seed must be a whole number of 0 … 2^63 - 1; it is " + value.dump());
      line.seed = value.get<int64_t>();
    } else if (key == "init_image")
      line.init_image = folder / value.get<std::string>();
    else if (key == "output")
      line.output = output_name(value.get<std::string>());
    else if (key != "prompt")
      throw BadLine("unknown key " + key);
  }
  return line;
}

[[noreturn]] void refuse_line(const fs::path& file, size_t number, const std::string& seen) {
  throw Error(ExitCode::kBadData,
              {.what = "cannot read a line of the prompt file",
               .expected = "a prompt, or a JSON object with prompt and, if wanted, negative_prompt, "
                           "seed, init_image, output",
               .seen = seen,
               .where = fmt::format("{}, line {}", file.string(), number)});
}

}  // namespace

std::vector<PromptLine> read_prompt_file(const fs::path& file) {
  std::istringstream text(read_text(file));
  std::vector<PromptLine> lines;
  size_t number = 1;
  for (std::string line; std::getline(text, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    try {
      lines.push_back(line.starts_with('{') ? parse_object(line, file.parent_path()) : PromptLine{line});
    } catch (const BadLine& problem) {
      refuse_line(file, number, problem.what());
    } catch (const nlohmann::json::exception& problem) {
      refuse_line(file, number, problem.what());
    }
  }
  if (lines.empty())
    throw Error(ExitCode::kBadData, {.what = "the prompt file holds no prompt", .where = file.string()});
  return lines;
}

}  // namespace sdlora::inference
