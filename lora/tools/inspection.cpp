#include "lora/tools/inspection.h"

#include <algorithm>
#include <array>
#include <cmath>

#include <ATen/ATen.h>

#include "common/error.h"
#include "lora/adapter_fit.h"
#include "lora/names/module_block.h"

namespace sdlora::lora {
namespace {

std::string family_of(const AdapterFile& adapter) {
  if (!adapter.family.empty()) return adapter.family;
  if (!adapter.context_channels)
    return "not seen: no tensor is of the captions' keys and values, which tell 1.x and 2.x apart";
  return family_of_width(*adapter.context_channels);
}

std::string group_of(const std::string& path) {
  const bool is_text = path.starts_with("text_model.");
  const std::string network = is_text ? "text encoder, " : "UNet, ";
  const auto has = [&](const char* part) { return path.find(part) != std::string::npos; };
  if (is_text)
    return network + (has(".self_attn.") ? "attention" : has(".mlp.") ? "feed-forward" : "the rest");
  if (has(".attn1.")) return network + "self-attention";
  if (has(".attn2.")) return network + "attention to captions";
  if (has(".ff.")) return network + "feed-forward";
  if (has(".proj_in") || has(".proj_out")) return network + "in and out of transformers";
  if (has(".resnets.")) return network + "residual blocks";
  return network + "the rest";
}

// ‖s B A‖² by Gram matrices: the trace of (BᵀB)(A Aᵀ).
double square_of(const LowRankPair& pair) {
  const at::Tensor a = pair.a.flatten(1).to(at::kDouble), b = pair.b.flatten(1).to(at::kDouble);
  const double square = (at::mm(b.t(), b) * at::mm(a, a.t())).sum().item<double>();
  return pair.scale() * pair.scale() * std::max(square, 0.0);
}

class Summary {
 public:
  explicit Summary(Inspection& inspection) : inspection_(inspection) {}

  void add(const std::string& path, const std::string& kind, const LowRankPair* pair,
           std::optional<double> square) {
    ModuleGroup& group = groups_[group_of(path)];
    ++group.kinds[kind];
    if (pair != nullptr) ++group.rank_and_alpha[{pair->rank(), pair->alpha}];
    if (!square) {
      ++inspection_.norms_of_model_count;
      return;
    }
    BlockNorm& norm = norms_[block_of(path)];
    norm.norm = std::hypot(norm.norm, std::sqrt(*square));
    ++norm.module_count;
  }

  void finish() {
    for (auto& [name, group] : groups_) {
      group.name = name;
      inspection_.groups.push_back(std::move(group));
    }
    for (const char* order : {"text_model", "time_embedding", "conv_in", "down_", "mid_", "up_", ""})
      for (auto& [block, norm] : norms_) {
        if (!block.starts_with(order) || !norm.block.empty()) continue;
        norm.block = block;
        inspection_.norms.push_back(norm);
      }
  }

 private:
  Inspection& inspection_;
  std::map<std::string, ModuleGroup> groups_;
  std::map<std::string, BlockNorm> norms_;
};

void summarise(const AdapterFile& adapter, Inspection& inspection) {
  Summary summary(inspection);
  for (const LowRankPairs* pairs : {&adapter.unet, &adapter.text_encoder})
    for (const auto& [path, pair] : *pairs)
      summary.add(path, pair.has_spatial_kernel() ? "LoCon" : "LoRA", &pair, square_of(pair));
  for (const auto& [path, dora] : adapter.doras) summary.add(path, "DoRA", &dora.pair, std::nullopt);
  for (const auto& [path, change] : adapter.others) {
    if (adapter.doras.contains(path)) continue;
    std::optional<double> square;
    if (change.weight.difference)
      square = change.weight.difference().to(at::kDouble).square().sum().item<double>();
    summary.add(path, change.weight.kind.empty() ? "bias alone" : change.weight.kind, nullptr, square);
  }
  summary.finish();
}

}  // namespace

Inspection inspect(const std::filesystem::path& path) {
  Inspection inspection;
  inspection.file = survey(path);
  try {
    const AdapterFile adapter = read_adapter(inspection.file.file);
    inspection.naming = adapter.naming;
    inspection.family = family_of(adapter);
    inspection.left_out = adapter.left_out;
    summarise(adapter, inspection);
  } catch (const Error& error) {
    if (error.exit_code() != ExitCode::kBadData) throw;
    inspection.refusal = error.what();
  }
  return inspection;
}

}  // namespace sdlora::lora
