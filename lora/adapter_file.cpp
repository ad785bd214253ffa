#include "lora/adapter_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/atomic_file.h"
#include "checkpoint/torch_zip.h"
#include "common/error.h"
#include "common/log.h"
#include "lora/lora_projection.h"

namespace sdlora::lora {
namespace {

namespace fs = std::filesystem;

fs::path description_of(const fs::path& file) {
  return fs::path(file).replace_extension(".json");
}

void read_description(const fs::path& file, AdapterFile& adapter) {
  try {
    const auto json = nlohmann::json::parse(checkpoint::read_text(file));
    adapter.config.rank = json.at("rank").get<int64_t>();
    adapter.config.alpha = json.at("alpha").get<double>();
    adapter.config.targets = json.at("targets").get<std::string>();
    adapter.step = json.at("step").get<int64_t>();
    adapter.base_model_hash = json.at("base_model_sha256").get<std::string>();
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ExitCode::kBadData,
                Problem{.what = "cannot read an adapter's description",
                        .expected = "JSON with rank, alpha, targets, step, base_model_sha256",
                        .seen = failure.what(),
                        .where = file.string()});
  }
}

// [r, in, 1, 1] and [r, in] are the same matrix.
at::Tensor as_matrix(const at::Tensor& tensor) {
  return tensor.view({tensor.size(0), tensor.size(1)});
}

}  // namespace

void write_adapter(const fs::path& file, const AdapterFile& adapter) {
  const nlohmann::ordered_json description{
      {"format", "sdlora adapter 1"},  {"rank", adapter.config.rank},
      {"alpha", adapter.config.alpha}, {"targets", adapter.config.targets},
      {"step", adapter.step},          {"base_model_sha256", adapter.base_model_hash}};
  checkpoint::write_text_atomically(description_of(file), description.dump(2) + "\n");
  checkpoint::write_torch_zip(file, adapter.tensors);
}

AdapterFile read_adapter(const fs::path& file) {
  AdapterFile adapter;
  adapter.tensors = checkpoint::read_torch_zip(file);
  if (fs::exists(description_of(file))) {
    read_description(description_of(file), adapter);
  } else {
    for (const auto& [name, tensor] : adapter.tensors)
      if (name.ends_with(".lora_A")) adapter.config.rank = tensor.size(0);
    log::warning(fmt::format("{} is not there: taking alpha = 1 for rank {}", description_of(file).string(),
                             adapter.config.rank));
  }
  return adapter;
}

Applied apply_adapter(model::UNet& unet, const AdapterFile& adapter, double strength,
                      const model::Placement& placement) {
  Applied applied{.tensor_count = 0, .file_tensor_count = static_cast<int64_t>(adapter.tensors.size())};
  unet.visit_projections([&](const std::string& path, model::ProjectionSlot& slot) {
    const auto a = adapter.tensors.find(path + ".lora_A");
    const auto b = adapter.tensors.find(path + ".lora_B");
    if (a == adapter.tensors.end() || b == adapter.tensors.end()) return;
    const int64_t rank = a->second.dim() >= 2 ? a->second.size(0) : 0;
    if (rank == 0 || b->second.dim() < 2 || b->second.size(1) != rank ||
        a->second.numel() != rank * slot->in_features() || b->second.numel() != rank * slot->out_features())
      throw Error(
          ExitCode::kBadData,
          Problem{.what = "the adapter was made for another model",
                  .expected = fmt::format("A [r, {}], B [{}, r]", slot->in_features(), slot->out_features()),
                  .seen = fmt::format("A with {} values, B with {}", a->second.numel(), b->second.numel()),
                  .where = path});
    LoraTensors tensors{.a = as_matrix(a->second).to(placement.device),
                        .b = as_matrix(b->second).to(placement.device),
                        .a_gradient = {},
                        .b_gradient = {}};
    const double scale = strength * adapter.config.alpha / static_cast<double>(rank);
    slot = std::make_unique<LoraProjection>(std::move(slot), std::move(tensors), scale);
    applied.tensor_count += 2;
  });
  if (applied.tensor_count == 0)
    throw Error(
        ExitCode::kBadData,
        Problem{.what = "no tensor of the adapter fits the UNet",
                .expected = "names like down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_A",
                .seen = adapter.tensors.empty() ? "no tensors" : adapter.tensors.begin()->first,
                .advice = "use an adapter that was trained for this model"});
  return applied;
}

}  // namespace sdlora::lora
