#include "lora/tools/peft_folder.h"

#include <algorithm>
#include <map>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::lora {
namespace {

using nlohmann::ordered_json;

constexpr const char* kPrefix = "base_model.model.";

struct PeftModule {
  const LowRankPair* pair;
  const at::Tensor* magnitude;  // nullptr: none
};

using PeftModules = std::map<std::string, PeftModule>;  // by path

PeftModules modules_of(const AdapterFile& adapter, bool is_text) {
  PeftModules modules;
  for (const auto& [path, pair] : is_text ? adapter.text_encoder : adapter.unet)
    modules.emplace(path, PeftModule{.pair = &pair, .magnitude = nullptr});
  for (const auto& [path, dora] : adapter.doras)
    if (path.starts_with("text_model.") == is_text)
      modules.emplace(path, PeftModule{.pair = &dora.pair, .magnitude = &dora.magnitude});
  return modules;
}

// The value that most modules have, and by path those of the others.
template <typename Value>
ordered_json others_than_usual(const PeftModules& modules, const Value& value,
                               decltype(value(LowRankPair()))& usual) {
  std::map<decltype(value(LowRankPair())), int> counts;
  for (const auto& [path, module] : modules) ++counts[value(*module.pair)];
  usual = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) {
            return a.second < b.second;
          })->first;
  ordered_json others = ordered_json::object();
  for (const auto& [path, module] : modules)
    if (value(*module.pair) != usual) others[path] = value(*module.pair);
  return others;
}

void write(const PeftModules& modules, const std::filesystem::path& folder, at::ScalarType dtype) {
  checkpoint::NamedTensors tensors;
  ordered_json paths = ordered_json::array();
  for (const auto& [path, module] : modules) {
    tensors.emplace(kPrefix + path + ".lora_A.weight", module.pair->a.to(dtype));
    tensors.emplace(kPrefix + path + ".lora_B.weight", module.pair->b.to(dtype));
    if (module.magnitude != nullptr)
      tensors.emplace(
          kPrefix + path + ".lora_magnitude_vector",
          (module.pair->a.dim() == 4 ? module.magnitude->view({1, -1, 1, 1}) : *module.magnitude).to(dtype));
    paths.push_back(path);
  }
  int64_t rank = 0;
  double alpha = 0;
  const ordered_json ranks = others_than_usual(
      modules, [](const LowRankPair& pair) { return pair.rank(); }, rank);
  const ordered_json alphas = others_than_usual(
      modules, [](const LowRankPair& pair) { return pair.alpha; }, alpha);
  const ordered_json config{{"peft_type", "LORA"},
                            {"task_type", nullptr},
                            {"base_model_name_or_path", nullptr},
                            {"inference_mode", true},
                            {"r", rank},
                            {"lora_alpha", alpha},
                            {"rank_pattern", ranks},
                            {"alpha_pattern", alphas},
                            {"use_dora", modules.begin()->second.magnitude != nullptr},
                            {"use_rslora", false},
                            {"bias", "none"},
                            {"target_modules", paths}};
  std::error_code failure;
  std::filesystem::create_directories(folder, failure);
  if (failure)
    throw Error(
        ExitCode::kIo,
        {.what = "cannot create the adapter's folder", .seen = failure.message(), .where = folder.string()});
  checkpoint::write_safetensors(folder / "adapter_model.safetensors", tensors, {{"format", "pt"}});
  write_text_atomically(folder / "adapter_config.json", config.dump(2) + "\n");
}

}  // namespace

void write_peft_folder(const AdapterFile& adapter, const std::filesystem::path& folder,
                       at::ScalarType dtype) {
  const PeftModules unet = modules_of(adapter, /*is_text=*/false),
                    text = modules_of(adapter, /*is_text=*/true);
  const bool has_both = !unet.empty() && !text.empty();
  if (!unet.empty()) write(unet, has_both ? folder / "unet" : folder, dtype);
  if (!text.empty()) write(text, has_both ? folder / "text_encoder" : folder, dtype);
}

}  // namespace sdlora::lora
