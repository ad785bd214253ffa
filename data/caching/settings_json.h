// A cache's settings in the files and messages of cache_latents itself; manifest.json has a form of its own.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "data/shards/manifest.h"

namespace sdlora::data {

nlohmann::json to_json(const CacheSettings& settings);

// Throws nlohmann::json::exception.
CacheSettings settings_from(const nlohmann::json& json);

}  // namespace sdlora::data
