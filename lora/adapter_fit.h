// Whether an adapter's file goes with a model, and what of it does not.
#pragma once

#include <set>
#include <string>

#include "lora/adapter_file.h"
#include "lora/adapter_module.h"
#include "lora/lora_config.h"

namespace sdlora::lora {

// Of models whose captions' tokens have so many numbers: "Stable Diffusion 1.x".
std::string family_of_width(int64_t context_channels);

// Throws Error(kBadData) naming the family when the adapter was made for captions of another width than
// `context_channels`: Stable Diffusion 1.x, 2.x and XL share names of modules, and some shapes.
void check_family(const AdapterFile& adapter, int64_t context_channels);

// Throws Error(kBadData) naming the family when it is none of Stable Diffusion 1.x and 2.x.
void check_is_of_sd(const AdapterFile& adapter);

// Throws Error(kBadData) naming tensors and file when `pair` is not for a layer of `module`'s shape.
void check_fit(const AdapterFile& adapter, const LowRankPair& pair, const AdapterModule& module);

// Throws Error(kBadData) naming tensors and file: the module has another shape than `change` is for.
[[noreturn]] void refuse_shape(const AdapterFile& adapter, const std::string& path,
                               const std::vector<std::string>& tensor_names, const std::string& expected,
                               const std::string& seen);

// Why tensors of a readable kind are left out.
inline constexpr const char* kNotInTheModel = "modules that this model does not have";
inline constexpr const char* kNotTrained = "modules that are not there or not trained (--lora-targets)";
inline constexpr const char* kTextEncoderNotTrained =
    "the text encoder, where it is not trained (--train-text-encoder, --lora-targets)";
inline constexpr const char* kDoraForALora = "DoRA, from which --lora-kind dora can begin";

// What the file has besides what has gone to `applied_paths` of a trained adapter of this kind.
LeftOut find_left_out(const AdapterFile& adapter, const std::set<std::string>& applied_paths, LoraKind kind);

// Throws Error(kBadData): nothing of it could be used.
[[noreturn]] void refuse_unfit(const AdapterFile& adapter, const LeftOut& left_out);

}  // namespace sdlora::lora
