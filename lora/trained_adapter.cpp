#include "lora/trained_adapter.h"

#include <nlohmann/json.hpp>

#include "checkpoint/torch_zip.h"
#include "common/atomic_file.h"
#include "lora/default_alpha.h"

namespace sdlora::lora {
namespace {

constexpr const char* kAEnding = ".lora_A";

}  // namespace

void write_adapter(const std::filesystem::path& file, const TrainedAdapter& adapter) {
  nlohmann::ordered_json description{
      {"format", "sdlora adapter 1"},  {"rank", adapter.config.rank},
      {"alpha", adapter.config.alpha}, {"targets", adapter.config.targets},
      {"step", adapter.step},          {"base_model_sha256", adapter.base_model_hash}};
  if (!adapter.other_alphas.empty()) description["other_alphas"] = adapter.other_alphas;
  write_text_atomically(description_of(file), description.dump(2) + "\n");
  checkpoint::write_torch_zip(file, adapter.tensors);
}

AdapterFile as_adapter_file(const TrainedAdapter& adapter, const std::filesystem::path& file) {
  AdapterFile made;
  made.file = file;
  made.naming = text_of(Naming::kSdlora);
  made.tensor_count = static_cast<int64_t>(adapter.tensors.size());
  for (const auto& [name, a] : adapter.tensors) {
    if (!name.ends_with(kAEnding)) continue;
    const std::string path = name.substr(0, name.size() - std::string_view(kAEnding).size());
    const auto other_alpha = adapter.other_alphas.find(path);
    const LowRankPair pair{
        .a = a,
        .b = adapter.tensors.at(path + ".lora_B"),
        .alpha = other_alpha == adapter.other_alphas.end() ? adapter.config.alpha : other_alpha->second,
        .tensor_names = {name, path + ".lora_B"}};
    if (path.ends_with("attn2.to_k")) made.context_channels = a.size(1);
    if (const auto magnitude = adapter.tensors.find(path + ".lora_magnitude_vector");
        magnitude != adapter.tensors.end())
      made.doras.emplace(path, DoraPair{.pair = pair, .magnitude = magnitude->second});
    else
      (path.starts_with("text_model.") ? made.text_encoder : made.unet).emplace(path, pair);
  }
  return made;
}

}  // namespace sdlora::lora
