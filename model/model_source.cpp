#include "model/model_source.h"

#include <fmt/format.h>

#include "checkpoint/file_identity.h"
#include "checkpoint/hash_memory.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/sha256.h"
#include "common/error.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

// Builds a part from its folder's config and weights, and reports every tensor that does not fit.
template <typename Part, typename Config>
Part load_part(const fs::path& directory, const ComputeMode& mode) {
  const Config config = Config::read(ModelConfig(directory / "config.json"));
  const WeightSource weights(find_weight_files(directory), mode);
  Part part(config, weights);
  weights.finish();
  return part;
}

}  // namespace

ModelDirectory::ModelDirectory(fs::path directory) : path_(std::move(directory)) {
  if (!fs::is_directory(path_))
    throw Error(ExitCode::kUsage, {.what = "the model directory does not exist",
                                   .expected = "a directory in diffusers layout (unet/, vae/, text_encoder/, "
                                               "tokenizer/, scheduler/)",
                                   .where = path_.string(),
                                   .advice = "check --model"});
}

fs::path ModelDirectory::part_directory(const std::string& part) const {
  if (!fs::is_directory(path_ / part))
    throw Error(ExitCode::kUsage, {.what = "the model directory has no " + part,
                                   .expected = "a folder " + part + "/ as diffusers lays a model out",
                                   .where = path_.string(),
                                   .advice = "check --model"});
  return path_ / part;
}

UNet ModelDirectory::load_unet(const ComputeMode& mode) const {
  return load_part<UNet, UNetConfig>(part_directory("unet"), mode);
}

Vae ModelDirectory::load_vae(const ComputeMode& mode) const {
  return load_part<Vae, VaeConfig>(part_directory("vae"), mode);
}

ClipTextEncoder ModelDirectory::load_text_encoder(const ComputeMode& mode) const {
  return load_part<ClipTextEncoder, ClipTextConfig>(part_directory("text_encoder"), mode);
}

ClipTokenizer ModelDirectory::load_tokenizer() const {
  return ClipTokenizer(part_directory("tokenizer"));
}

NoiseSchedule ModelDirectory::load_noise_schedule() const {
  return NoiseSchedule(ModelConfig(part_directory("scheduler") / "scheduler_config.json"));
}

int64_t ModelDirectory::parameter_count_of(const std::string& part) const {
  int64_t count = 0;
  for (const fs::path& path : find_weight_files(part_directory(part))) {
    const checkpoint::SafetensorsFile file(path);
    for (const auto& [name, info] : file.tensors()) count += c10::multiply_integers(info.shape);
  }
  return count;
}

std::vector<fs::path> ModelDirectory::files_of(const std::string& part) const {
  const fs::path directory = part_directory(part);
  std::vector<fs::path> files{directory / "config.json"};
  for (const fs::path& file : find_weight_files(directory)) files.push_back(file);
  return files;
}

std::string ModelDirectory::hash_of(const std::string& part) const {
  std::string hashes;
  const auto memory = checkpoint::HashMemory::of_this_user();
  for (const fs::path& file : files_of(part)) hashes += memory.sha256_of_file(file);
  return checkpoint::sha256_of(hashes);
}

std::string ModelDirectory::file_identity_of(const std::string& part) const {
  std::string identity;
  for (const fs::path& file : files_of(part)) identity += checkpoint::identity_of_file(file).text + "; ";
  return identity;
}

}  // namespace sdlora::model
