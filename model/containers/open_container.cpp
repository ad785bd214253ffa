#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "model/containers/container.h"
#include "model/containers/diffusers_directory.h"
#include "model/containers/hub_cache.h"
#include "model/containers/single_file.h"
#include "model/loading/weight_files.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

// A directory or a file, also of what an id or the folder of a hub cache means.
fs::path resolve(const fs::path& model, const char* option) {
  const std::string text = model.string();
  if (fs::is_directory(model)) {
    const std::string name = (fs::absolute(model) / "").lexically_normal().parent_path().filename().string();
    if (name.starts_with("models--") && fs::is_directory(model / "snapshots"))
      return snapshot_in_repository(model, name, "main").directory;
    return model;
  }
  if (fs::exists(model)) return model;
  if (fs::is_symlink(fs::symlink_status(model)))
    throw Error(ExitCode::kUsage, {.what = "the model is a link to a file that is gone",
                                   .seen = fs::read_symlink(model).string(),
                                   .where = text,
                                   .advice = fmt::format("check {}", option)});
  if (is_hub_id(text)) {
    const HubSnapshot snapshot = find_in_hub_cache(text);
    log::info(fmt::format("{} is {}, commit {}, from {}", text, snapshot.id, snapshot.commit,
                          snapshot.directory.string()));
    return snapshot.directory;
  }
  throw Error(ExitCode::kUsage,
              {.what = "there is no such model",
               .expected = "a directory in diffusers layout (unet/, vae/, text_encoder/, tokenizer/, "
                           "scheduler/), a checkpoint file, or an id in the local hub cache",
               .where = text,
               .advice = fmt::format("check {}", option)});
}

// The weights of a folder with a config, which says what the weights alone do not (a scaling factor).
bool is_of_a_vae_folder(const fs::path& file) {
  if (!fs::exists(file.parent_path() / "config.json")) return false;
  const std::vector<fs::path> weights = find_weight_files(file.parent_path()).files;
  return weights.size() == 1 && weights.front() == file;
}

}  // namespace

std::shared_ptr<const Container> open_container(const fs::path& model) {
  const fs::path place = resolve(model, "--model");
  if (fs::is_directory(place)) return std::make_shared<DiffusersDirectory>(place);
  return std::make_shared<SingleFile>(place);
}

std::shared_ptr<const Container> open_vae_container(const fs::path& vae) {
  const fs::path place = resolve(vae, "--vae");
  if (!fs::is_directory(place)) {
    if (is_of_a_vae_folder(fs::absolute(place)))
      return std::make_shared<VaeFolder>(fs::absolute(place).parent_path());
    return SingleFile::of_vae(place);
  }
  if (fs::is_directory(place / "vae")) return std::make_shared<DiffusersDirectory>(place);
  return std::make_shared<VaeFolder>(place);
}

}  // namespace sdlora::model
