#include "lora/adapter_export.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "lora/kohya_names.h"

namespace sdlora::lora {
namespace {

using checkpoint::Metadata;
using checkpoint::NamedTensors;

void add_kohya(NamedTensors& tensors, const std::string& prefix, const LowRankPairs& pairs) {
  for (const auto& [path, pair] : pairs) {
    const std::string name = prefix + kohya_name_of_path(path);
    tensors.emplace(name + ".lora_down.weight", pair.a);
    tensors.emplace(name + ".lora_up.weight", pair.b);
    tensors.emplace(name + ".alpha", at::scalar_tensor(pair.alpha, at::kFloat));
  }
}

void add_diffusers(NamedTensors& tensors, const std::string& prefix, const LowRankPairs& pairs) {
  for (const auto& [path, pair] : pairs) {
    tensors.emplace(prefix + path + ".lora_A.weight", pair.a);
    tensors.emplace(prefix + path + ".lora_B.weight", pair.b * pair.scale());
  }
}

// The value that all modules share, as text, or "Dynamic", which is what sd-scripts' resize_lora.py writes.
template <typename Value>
std::string shared_value(const LowRankPairs& pairs, const Value& value) {
  const auto first = value(pairs.begin()->second);
  const bool is_shared =
      std::all_of(pairs.begin(), pairs.end(), [&](const auto& pair) { return value(pair.second) == first; });
  return is_shared ? fmt::format("{}", first) : "Dynamic";
}

// What readers look at even where sd-scripts was told to leave the metadata out.
Metadata kohya_metadata(const LowRankPairs& pairs) {
  return {{"format", "pt"},
          {"ss_v2", "False"},
          {"ss_base_model_version", "sd_v1"},
          {"ss_network_module", "networks.lora"},
          {"ss_network_dim", shared_value(pairs, [](const LowRankPair& pair) { return pair.rank(); })},
          {"ss_network_alpha", shared_value(pairs, [](const LowRankPair& pair) { return pair.alpha; })}};
}

}  // namespace

void export_adapter(const AdapterFile& adapter, const std::filesystem::path& file, ExportNaming naming) {
  if (!adapter.left_out.empty() || (adapter.unet.empty() && adapter.text_encoder.empty()))
    throw Error(ExitCode::kBadData,
                {.what = "cannot convert the adapter as a whole",
                 .expected = "pairs of A and B (down and up) only",
                 .seen = adapter.left_out.empty() ? "no tensors" : describe(adapter.left_out),
                 .where = adapter.file.string()});
  NamedTensors tensors;
  if (naming == ExportNaming::kKohya) {
    add_kohya(tensors, "lora_unet_", adapter.unet);
    add_kohya(tensors, "lora_te_", adapter.text_encoder);
    checkpoint::write_safetensors(file, tensors,
                                  kohya_metadata(adapter.unet.empty() ? adapter.text_encoder : adapter.unet));
    return;
  }
  add_diffusers(tensors, "unet.", adapter.unet);
  add_diffusers(tensors, "text_encoder.", adapter.text_encoder);
  checkpoint::write_safetensors(file, tensors, {{"format", "pt"}});
}

}  // namespace sdlora::lora
