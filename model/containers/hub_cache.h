// Models by their id on the Hugging Face hub, from the local cache that huggingface_hub fills; nothing is
// downloaded. The rules are those of huggingface_hub (constants.py, file_download.py).
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::model {

// "runwayml/stable-diffusion-v1-5", also with "@revision": letters, digits, "_", "-" and ".", at most one
// "/".
bool is_hub_id(const std::string& text);

struct HubSnapshot {
  std::filesystem::path directory;  // …/models--runwayml--stable-diffusion-v1-5/snapshots/<commit>
  std::string id;                   // whose it is: the one asked for, or a known copy of it
  std::string commit;
};

// In HF_HUB_CACHE, else HUGGINGFACE_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
// ~/.cache/huggingface/hub. Of models that were renamed on the hub the copies under other ids are looked for,
// too. Throws Error(kUsage) that says where it looked and how to fetch the model.
HubSnapshot find_in_hub_cache(const std::string& id);

// The snapshot of a folder "models--NAME--MODEL" of a cache, as find_in_hub_cache() chooses it.
HubSnapshot snapshot_in_repository(const std::filesystem::path& repository, const std::string& id,
                                   const std::string& revision);

}  // namespace sdlora::model
