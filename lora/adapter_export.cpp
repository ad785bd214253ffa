#include "lora/adapter_export.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "common/python_text.h"
#include "lora/adapter_fit.h"
#include "lora/kohya_hashes.h"
#include "lora/names/context_widths.h"
#include "lora/names/flat_name.h"

namespace sdlora::lora {
namespace {

using checkpoint::Metadata;
using checkpoint::NamedTensors;

void add_kohya(NamedTensors& tensors, const std::string& prefix, const LowRankPairs& pairs) {
  for (const auto& [path, pair] : pairs) {
    const std::string name = prefix + flat_name(path);
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

// Branches with magnitudes [out], as kohya's readers and LyCORIS have them, [out, 1] or [out, 1, 1, 1], or
// PEFT's, [out] or [1, out, 1, 1].
void add_doras(NamedTensors& tensors, const AdapterFile& adapter, ExportNaming naming) {
  for (const auto& [path, dora] : adapter.doras) {
    const bool is_text = path.starts_with("text_model."), is_convolution = dora.pair.a.dim() == 4;
    const LowRankPairs pair{{path, dora.pair}};
    if (naming == ExportNaming::kKohya) {
      const std::string prefix = is_text ? "lora_te_" : "lora_unet_";
      add_kohya(tensors, prefix, pair);
      tensors.emplace(prefix + flat_name(path) + ".dora_scale",
                      is_convolution ? dora.magnitude.view({-1, 1, 1, 1}) : dora.magnitude.unsqueeze(1));
    } else {
      const std::string prefix = is_text ? "text_encoder." : "unet.";
      add_diffusers(tensors, prefix, pair);
      tensors.emplace(prefix + path + ".lora_magnitude_vector.weight",  // only so transformers 5 finds it
                      is_convolution ? dora.magnitude.view({1, -1, 1, 1}) : dora.magnitude);
    }
  }
}

// Captions of 1,024 numbers a word, which keys and values of the UNet and all of the text encoder have.
bool is_of_sd2(const AdapterFile& adapter) {
  if (adapter.context_channels) return *adapter.context_channels == kContextWidthOfSd2;
  for (const auto& [path, pair] : adapter.text_encoder)
    if (path.ends_with("_proj")) return pair.a.size(1) == kContextWidthOfSd2;
  for (const auto& [path, dora] : adapter.doras)
    if (path.starts_with("text_model.") && path.ends_with("_proj"))
      return dora.pair.a.size(1) == kContextWidthOfSd2;
  return false;
}

// Of both networks.
std::vector<const LowRankPair*> all_pairs(const AdapterFile& adapter, bool has_spatial_kernel) {
  std::vector<const LowRankPair*> all;
  for (const LowRankPairs* pairs : {&adapter.unet, &adapter.text_encoder})
    for (const auto& [path, pair] : *pairs)
      if (pair.has_spatial_kernel() == has_spatial_kernel) all.push_back(&pair);
  for (const auto& [path, dora] : adapter.doras)
    if (dora.pair.has_spatial_kernel() == has_spatial_kernel) all.push_back(&dora.pair);
  return all;
}

// The value that all of them share, as text, or "Dynamic", which is what sd-scripts' resize_lora.py writes.
template <typename Value>
std::string shared_value(const std::vector<const LowRankPair*>& pairs, const Value& value) {
  const auto first = value(*pairs.front());
  const bool is_shared =
      std::all_of(pairs.begin(), pairs.end(), [&](const LowRankPair* pair) { return value(*pair) == first; });
  return is_shared ? python_text(first) : "Dynamic";
}

// What the file itself says, else what the captions' width does. Whether a model of 2.x predicts velocity
// ("sd_v2_v") cannot be seen in an adapter.
std::string base_model_version(const AdapterFile& adapter) {
  if (const auto said = adapter.metadata.find("ss_base_model_version"); said != adapter.metadata.end())
    return said->second;
  return is_of_sd2(adapter) ? "sd_v2" : "sd_v1";
}

// What an adapter's own file says that stays true in a copy of it: not its hashes and its format, and not
// what diffusers says of PEFT's layers.
Metadata metadata_to_keep(const AdapterFile& adapter) {
  Metadata kept = adapter.metadata;
  std::erase_if(kept, [](const auto& entry) {
    const std::string& name = entry.first;
    return name == "format" || name == "lora_adapter_metadata" || name == "modelspec.hash_sha256" ||
           name.starts_with("sshs_");
  });
  return kept;
}

// What readers look at even where sd-scripts was told to leave the metadata out.
Metadata kohya_metadata(const AdapterFile& adapter) {
  const auto rank_of = [](const LowRankPair& pair) { return pair.rank(); };
  const auto alpha_of = [](const LowRankPair& pair) { return pair.alpha; };
  const std::vector<const LowRankPair*> matrices = all_pairs(adapter, /*has_spatial_kernel=*/false);
  const std::vector<const LowRankPair*> kernels = all_pairs(adapter, /*has_spatial_kernel=*/true);
  const std::vector<const LowRankPair*>& usual = matrices.empty() ? kernels : matrices;
  const std::string version = base_model_version(adapter);
  nlohmann::ordered_json arguments = nlohmann::ordered_json::object();
  if (!kernels.empty())
    arguments = {{"conv_dim", shared_value(kernels, rank_of)},
                 {"conv_alpha", shared_value(kernels, alpha_of)}};
  if (!adapter.doras.empty()) arguments["dora_wd"] = "True";  // LyCORIS's name: sd-scripts has no DoRA
  Metadata metadata{{"format", "pt"},
                    {"ss_v2", version.starts_with("sd_v2") ? "True" : "False"},
                    {"ss_base_model_version", version},
                    {"ss_network_module", "networks.lora"},
                    {"ss_network_dim", shared_value(usual, rank_of)},
                    {"ss_network_alpha", shared_value(usual, alpha_of)}};
  if (!arguments.empty()) metadata["ss_network_args"] = arguments.dump();
  return metadata;
}

// Of the file to write, whose tensors are `tensors`.
Metadata metadata_of_copy(const AdapterFile& adapter, const NamedTensors& tensors,
                          const std::filesystem::path& file, const ExportForm& form) {
  if (form.naming == ExportNaming::kDiffusers) return {{"format", "pt"}};
  Metadata metadata = form.metadata;
  metadata.merge(kohya_metadata(adapter));
  metadata.merge(metadata_to_keep(adapter));
  const KohyaHashes hashes = kohya_hashes(tensors, metadata, file);
  metadata["sshs_model_hash"] = hashes.model;
  metadata["sshs_legacy_hash"] = hashes.legacy;
  return metadata;
}

// What the formats have no names for.
LeftOut find_unconvertible(const AdapterFile& adapter) {
  LeftOut left_out = adapter.left_out;
  for (const auto& [path, change] : adapter.others) {
    if (adapter.doras.contains(path)) continue;
    std::vector<std::string>& names = left_out[change.weight.kind.empty() ? "biases" : change.weight.kind];
    names.insert(names.end(), change.tensor_names.begin(), change.tensor_names.end());
  }
  return left_out;
}

}  // namespace

void require_all_dora_or_none(const AdapterFile& adapter) {
  const ModuleCounts counts = count_modules(adapter);
  const size_t all = counts.unet + counts.text_encoder;
  if (adapter.doras.empty() || adapter.doras.size() == all) return;
  throw Error(ExitCode::kBadData, {.what = "diffusers and PEFT would draw another adapter",
                                   .expected = "DoRA's magnitudes in every module, or in none",
                                   .seen = fmt::format("in {} of {}", adapter.doras.size(), all),
                                   .where = adapter.file.string(),
                                   .advice = "use --format kohya, whose names take both"});
}

ModuleCounts count_modules(const AdapterFile& adapter) {
  const auto of_text =
      static_cast<size_t>(std::count_if(adapter.doras.begin(), adapter.doras.end(), [](const auto& dora) {
        return dora.first.starts_with("text_model.");
      }));
  return {.unet = adapter.unet.size() + adapter.doras.size() - of_text,
          .text_encoder = adapter.text_encoder.size() + of_text};
}

bool fits_in(const AdapterFile& adapter, at::ScalarType dtype) {
  const auto fits = [dtype](const at::Tensor& values) {
    return at::isfinite(values.to(dtype)).all().item<bool>();
  };
  for (const bool has_spatial_kernel : {false, true})
    for (const LowRankPair* pair : all_pairs(adapter, has_spatial_kernel))
      if (!fits(pair->a) || !fits(pair->b) || !fits(at::scalar_tensor(pair->alpha, at::kFloat))) return false;
  return std::all_of(adapter.doras.begin(), adapter.doras.end(),
                     [&](const auto& dora) { return fits(dora.second.magnitude); });
}

void require_pairs(const AdapterFile& adapter, const char* what_for) {
  check_is_of_sd(adapter);
  const LeftOut left_out = find_unconvertible(adapter);
  if (!left_out.empty() || (adapter.unet.empty() && adapter.text_encoder.empty() && adapter.doras.empty()))
    throw Error(
        ExitCode::kBadData,
        {.what = fmt::format("the adapter cannot be {} as a whole", what_for),
         .expected = "pairs of A and B (down and up) only, and DoRA's magnitudes by output, of modules of "
                     "Stable Diffusion 1.x or 2.x",
         .seen = left_out.empty() ? "no tensors" : describe(left_out),
         .where = adapter.file.string()});
}

void export_adapter(const AdapterFile& adapter, const std::filesystem::path& file, const ExportForm& form) {
  require_pairs(adapter, "converted");
  if (form.naming == ExportNaming::kDiffusers) require_all_dora_or_none(adapter);
  if (!fits_in(adapter, form.dtype))
    throw Error(ExitCode::kBadData,
                {.what = "the adapter has values that the wanted type does not hold",
                 .expected = std::string("values within the range of ") + c10::toString(form.dtype),
                 .seen = "greater ones",
                 .where = adapter.file.string(),
                 .advice = "write it in bf16 or fp32"});
  NamedTensors tensors;
  add_doras(tensors, adapter, form.naming);
  if (form.naming == ExportNaming::kKohya) {
    add_kohya(tensors, "lora_unet_", adapter.unet);
    add_kohya(tensors, "lora_te_", adapter.text_encoder);
  } else {
    add_diffusers(tensors, "unet.", adapter.unet);
    add_diffusers(tensors, "text_encoder.", adapter.text_encoder);
  }
  for (auto& [name, tensor] : tensors) tensor = tensor.to(form.dtype);
  checkpoint::write_safetensors(file, tensors, metadata_of_copy(adapter, tensors, file, form));
}

}  // namespace sdlora::lora
