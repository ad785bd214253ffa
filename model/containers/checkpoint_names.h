// The prefixes under which checkpoint files hold the parts of a model.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/loading/stored_weights.h"

namespace sdlora::model {

inline constexpr std::string_view kUnetPrefix = "model.diffusion_model.";
inline constexpr std::string_view kVaePrefix = "first_stage_model.";
inline constexpr std::string_view kClipPrefix = "cond_stage_model.transformer.";
inline constexpr std::string_view kOpenClipPrefix = "cond_stage_model.model.";
inline constexpr std::string_view kEmaPrefix = "model_ema.";

// The same weights, each part under its prefix above, whichever it had: "vae." (stable-diffusion.cpp), none
// (a UNet or VAE by itself), "conditioner.embedders.0." (generative-models), "cond_stage_model.transformer."
// without "text_model." (merges of NovelAI's time), "state_dict." before everything.
StoredWeights with_usual_prefixes(const StoredWeights& weights);

// Those that begin with `prefix`, without it.
StoredWeights part_of(const StoredWeights& weights, std::string_view prefix);

bool has_prefix(const StoredWeights& weights, std::string_view prefix);

// What no part uses and no program misses: tables of the noise schedule, EMA, left-overs of CLIP and of
// training.
bool is_known_to_be_unused(std::string_view name);

}  // namespace sdlora::model
