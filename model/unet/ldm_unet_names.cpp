#include "model/unet/ldm_unet_names.h"

#include "model/unet/unet_modules.h"

namespace sdlora::model {
namespace {

// LCM adds a layer under the name that diffusers gives it.
constexpr const char* kSameInBoth = "time_embedding.cond_proj";

}  // namespace

LdmUnetNames::LdmUnetNames(const UNetConfig& config) : paths_{{kSameInBoth, kSameInBoth}} {
  for (UNetModule& module : unet_modules_of(config))
    paths_.emplace(std::move(module.ldm_path), std::move(module.path));
}

std::optional<std::string> LdmUnetNames::diffusers_name(const std::string& ldm_name) const {
  const size_t leaf = ldm_name.rfind('.');  // ".weight"
  if (leaf == std::string::npos) return std::nullopt;
  const auto module = paths_.find(ldm_name.substr(0, leaf));
  if (module == paths_.end()) return std::nullopt;
  return module->second + ldm_name.substr(leaf);
}

}  // namespace sdlora::model
