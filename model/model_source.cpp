#include "model/model_source.h"

#include <algorithm>

#include <fmt/format.h>

#include "checkpoint/file_identity.h"
#include "checkpoint/hash_memory.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/sha256.h"
#include "common/error.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

// Every file of the tokenizer's folder, by name.
std::vector<fs::path> tokenizer_files_in(const fs::path& directory) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(directory, error), end; !error && entry != end; entry.increment(error))
    if (entry->is_regular_file(error)) files.push_back(entry->path());
  if (error)
    throw Error(ExitCode::kUsage, {.what = "the model's tokenizer cannot be read",
                                   .seen = error.message(),
                                   .where = directory.string(),
                                   .advice = "check --model"});
  std::sort(files.begin(), files.end());
  return files;
}

// Over names and bytes: which of the files are there decides how the tokenizer reads.
std::string hash_of_tokenizer(const std::vector<fs::path>& files) {
  std::string hashes;
  for (const fs::path& file : files)
    hashes += file.filename().string() + " " + checkpoint::sha256_of_file(file) + "\n";
  return checkpoint::sha256_of(hashes);
}

}  // namespace

std::string name_of(ModelPart part) {
  switch (part) {
    case ModelPart::kUnet:
      return "unet";
    case ModelPart::kVae:
      return "vae";
    case ModelPart::kTextEncoder:
      return "text_encoder";
    case ModelPart::kTokenizer:
      return "tokenizer";
    case ModelPart::kScheduler:
      return "scheduler";
  }
  throw Error(ExitCode::kInternal, "there is no such part of a model");
}

ModelSource::ModelSource(fs::path model) : directory_(std::move(model)) {
  if (!fs::is_directory(directory_))
    throw Error(ExitCode::kUsage, {.what = "the model directory does not exist",
                                   .expected = "a directory in diffusers layout (unet/, vae/, text_encoder/, "
                                               "tokenizer/, scheduler/)",
                                   .where = directory_.string(),
                                   .advice = "check --model"});
}

bool ModelSource::has(ModelPart part) const {
  return fs::is_directory(directory_ / name_of(part));
}

ModelConfig ModelSource::config_of(ModelPart part) const {
  return ModelConfig(config_file_of(part));
}

fs::path ModelSource::directory_of(ModelPart part) const {
  const std::string name = name_of(part);
  if (!has(part))
    throw Error(ExitCode::kUsage, {.what = "the model directory has no " + name,
                                   .expected = "a folder " + name + "/ as diffusers lays a model out",
                                   .where = directory_.string(),
                                   .advice = "check --model"});
  return directory_ / name;
}

fs::path ModelSource::config_file_of(ModelPart part) const {
  const fs::path directory = directory_ / name_of(part);
  if (part == ModelPart::kScheduler) return directory / "scheduler_config.json";
  if (part == ModelPart::kTokenizer) return directory / "tokenizer_config.json";
  return directory / "config.json";
}

std::vector<fs::path> ModelSource::files_of(ModelPart part) const {
  if (part == ModelPart::kTokenizer) return tokenizer_files_in(directory_ / name_of(part));
  const fs::path directory = directory_of(part);
  std::vector<fs::path> files{config_file_of(part)};
  if (part == ModelPart::kScheduler) return files;
  for (const fs::path& file : find_weight_files(directory)) files.push_back(file);
  return files;
}

// Reports every tensor that does not fit.
template <typename Part, typename Config>
Part ModelSource::load(ModelPart part, const ComputeMode& mode, const WeightEdits* edits) const {
  const fs::path directory = directory_of(part);
  const Config config = Config::read(config_of(part));
  const WeightSource weights(find_weight_files(directory), mode, edits);
  Part loaded(config, weights);
  weights.finish();
  return loaded;
}

UNet ModelSource::load_unet(const ComputeMode& mode, const WeightEdits* edits) const {
  return load<UNet, UNetConfig>(ModelPart::kUnet, mode, edits);
}

Vae ModelSource::load_vae(const ComputeMode& mode) const {
  return load<Vae, VaeConfig>(ModelPart::kVae, mode);
}

ClipTextEncoder ModelSource::load_text_encoder(const ComputeMode& mode, const WeightEdits* edits) const {
  return load<ClipTextEncoder, ClipTextConfig>(ModelPart::kTextEncoder, mode, edits);
}

ClipTokenizer ModelSource::load_tokenizer() const {
  return ClipTokenizer(directory_of(ModelPart::kTokenizer));
}

NoiseSchedule ModelSource::load_noise_schedule() const {
  directory_of(ModelPart::kScheduler);  // says so when it is not there
  return NoiseSchedule(config_of(ModelPart::kScheduler));
}

int64_t ModelSource::parameter_count_of(ModelPart part) const {
  int64_t count = 0;
  for (const fs::path& path : find_weight_files(directory_of(part))) {
    const checkpoint::SafetensorsFile file(path);
    for (const auto& [name, info] : file.tensors()) count += c10::multiply_integers(info.shape);
  }
  return count;
}

std::string ModelSource::hash_of(ModelPart part) const {
  const std::vector<fs::path> files = files_of(part);
  if (part == ModelPart::kTokenizer) return hash_of_tokenizer(files);
  std::string hashes;
  const auto memory = checkpoint::HashMemory::of_this_user();
  for (const fs::path& file : files) hashes += memory.sha256_of_file(file);
  return checkpoint::sha256_of(hashes);
}

std::string ModelSource::file_identity_of(ModelPart part) const {
  std::string identity;
  for (const fs::path& file : files_of(part)) identity += checkpoint::identity_of_file(file).text + "; ";
  return identity;
}

}  // namespace sdlora::model
