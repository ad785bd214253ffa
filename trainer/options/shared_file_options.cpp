#include "trainer/options/shared_file_options.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/utf8.h"
#include "monitoring/records/run_files.h"

namespace sdlora::trainer {
namespace {

constexpr const char* kDefaultName = "lora_weights";
constexpr const char* kEnding = ".safetensors";
constexpr size_t kLongestNameBytes = 200;  // with what is added, within what file systems take

bool is_file_name(const std::string& name) {
  return name.empty() ||
         (name.size() <= kLongestNameBytes && name.front() != '.' && valid_utf8(name) == name &&
          std::none_of(name.begin(), name.end(), [](unsigned char letter) {
            return letter < ' ' || letter == '/' || letter == '\\' || letter == 0x7f;
          }));
}

std::string stem_of(const SharedFileOptions& options) {
  return options.name.empty() ? kDefaultName : options.name;
}

}  // namespace

void SharedFileOptions::declare(OptionGroup group) {
  group
      .add("output-name", name, Scope::kRun,
           "name of the .safetensors file for ComfyUI, AUTOMATIC1111 and diffusers, and what they call the "
           "adapter")
      .meets("a file's name without folder and ending", is_file_name)
      .default_shown("lora_weights, called as the output directory");
  group.add("save-dtype", dtype, Scope::kRun, "type of the numbers in it")
      .one_of({{"fp16", at::kHalf}, {"bf16", at::kBFloat16}, {"float", at::kFloat}});
  group.add("no-metadata", has_no_metadata, Scope::kRun,
            "leave out of it what it was trained on and how, but for what readers need");
}

std::string SharedFileOptions::file_name() const {
  return stem_of(*this) + kEnding;
}

std::string SharedFileOptions::averaged_file_name() const {
  return stem_of(*this) + "_ema" + kEnding;
}

std::string SharedFileOptions::checkpoint_file_name(int64_t step) const {
  return name.empty() ? file_name() : fmt::format("{}-step{:08}{}", name, step, kEnding);
}

std::string SharedFileOptions::shown_name(const std::filesystem::path& run_directory) const {
  return name.empty() ? monitoring::run_name(run_directory) : name;
}

}  // namespace sdlora::trainer
