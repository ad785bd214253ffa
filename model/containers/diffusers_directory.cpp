#include "model/containers/diffusers_directory.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/error.h"
#include "model/loading/canonical_names.h"
#include "model/loading/weight_files.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

std::string config_name_of(ModelPart part) {
  switch (part) {
    case ModelPart::kScheduler:
      return "scheduler_config.json";
    case ModelPart::kTokenizer:
      return "tokenizer_config.json";
    default:
      return "config.json";
  }
}

StoredWeights weights_in_folder(const fs::path& folder, ModelPart part) {
  StoredWeights weights = weights_in(find_weight_files(folder).files);
  switch (part) {
    case ModelPart::kVae:
      return canonical_vae(weights);
    case ModelPart::kTextEncoder:
      return canonical_text_encoder(weights);
    default:
      return weights;
  }
}

std::vector<fs::path> files_in_folder(const fs::path& folder, ModelPart part) {
  std::vector<fs::path> files = find_weight_files(folder).files;
  files.insert(files.begin(), folder / config_name_of(part));
  return files;
}

std::vector<fs::path> regular_files_in(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_regular_file(error)) files.push_back(entry->path());
  if (error)
    throw Error(ExitCode::kUsage, {.what = "the model's tokenizer cannot be read",
                                   .seen = error.message(),
                                   .where = directory.string(),
                                   .advice = "check --model"});
  std::ranges::sort(files);
  return files;
}

// Checkpoint files that lie in a folder which is no model itself, as those of user interfaces do.
std::string checkpoint_files_in(const fs::path& directory) {
  std::string names;
  for (const fs::path& file : regular_files_in(directory))
    for (const char* extension : {".safetensors", ".ckpt"})
      if (file.extension() == extension) names += (names.empty() ? "" : ", ") + file.filename().string();
  return names;
}

}  // namespace

bool DiffusersDirectory::has(ModelPart part) const {
  return fs::is_directory(directory_ / name_of(part));
}

fs::path DiffusersDirectory::folder_of(ModelPart part) const {
  const std::string name = name_of(part);
  if (has(part)) return directory_ / name;
  const std::string checkpoints = checkpoint_files_in(directory_);
  throw Error(ExitCode::kUsage,
              {.what = "the model directory has no " + name,
               .expected = "a folder " + name + "/ as diffusers lays a model out",
               .seen = checkpoints.empty() ? "" : "checkpoint files: " + checkpoints,
               .where = directory_.string(),
               .advice = checkpoints.empty() ? "check --model" : "give --model one of these files"});
}

ModelConfig DiffusersDirectory::config_of(ModelPart part) const {
  fs::path file = folder_of(part) / config_name_of(part);
  std::error_code ignored;
  if (!fs::exists(file, ignored))
    throw Error(ExitCode::kUsage,
                {.what = fmt::format("the model directory has no {}/{}", name_of(part), config_name_of(part)),
                 .expected = "the config of each part, as diffusers lays a model out",
                 .where = file.string(),
                 .advice = "copy the model again, whole"});
  return ModelConfig(std::move(file));
}

StoredWeights DiffusersDirectory::weights_of(ModelPart part) const {
  return weights_in_folder(folder_of(part), part);
}

ClipTokenizerFiles DiffusersDirectory::tokenizer() const {
  return ClipTokenizerFiles::read(folder_of(ModelPart::kTokenizer));
}

std::vector<fs::path> DiffusersDirectory::files_of(ModelPart part) const {
  if (part == ModelPart::kTokenizer) return regular_files_in(folder_of(part));
  if (part == ModelPart::kScheduler) return {folder_of(part) / config_name_of(part)};
  return files_in_folder(folder_of(part), part);
}

std::string DiffusersDirectory::description() const {
  std::string variants;
  for (const ModelPart part : {ModelPart::kUnet, ModelPart::kVae, ModelPart::kTextEncoder}) {
    if (!has(part)) continue;
    try {
      const std::string variant = find_weight_files(directory_ / name_of(part)).variant;
      if (!variant.empty()) variants += fmt::format("; {} from its {} weights", name_of(part), variant);
    } catch (const Error&) {  // who needs the part says so
      variants += fmt::format("; {} without weights", name_of(part));
    }
  }
  return "a directory in diffusers layout" + variants;
}

ModelConfig VaeFolder::config_of(ModelPart part) const {
  return ModelConfig(folder_ / config_name_of(part));
}

StoredWeights VaeFolder::weights_of(ModelPart part) const {
  return weights_in_folder(folder_, part);
}

ClipTokenizerFiles VaeFolder::tokenizer() const {
  throw Error(ExitCode::kInternal, "a VAE has no tokenizer");
}

std::vector<fs::path> VaeFolder::files_of(ModelPart part) const {
  return files_in_folder(folder_, part);
}

}  // namespace sdlora::model
