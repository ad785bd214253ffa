#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "lora/adapter_file.h"
#include "lora/lora_projection.h"

namespace sdlora::lora {
namespace {

// [r, in, 1, 1] and [r, in] are the same matrix.
at::Tensor as_matrix(const at::Tensor& tensor) {
  return tensor.reshape({tensor.size(0), tensor.size(1)});
}

void check_fit(const AdapterFile& adapter, const std::string& path, const LowRankPair& pair,
               const model::Projection& module) {
  if (!pair.has_spatial_kernel() && pair.a.size(1) == module.in_features() &&
      pair.b.size(0) == module.out_features())
    return;
  throw Error(ExitCode::kBadData,
              {.what = "the adapter does not fit the model: a module has another shape",
               .expected = fmt::format("A [{}, {}], B [{}, {}] for {}", pair.rank(), module.in_features(),
                                       module.out_features(), pair.rank(), path),
               .seen = fmt::format("A {}, B {}", c10::str(pair.a.sizes()), c10::str(pair.b.sizes())),
               .where = fmt::format("tensors {}, {} of {}", pair.tensor_names[0], pair.tensor_names[1],
                                    adapter.file.string()),
               .advice = "use an adapter that was trained for this model"});
}

// What the file has besides the branches at `applied_paths`.
LeftOut find_left_out(const AdapterFile& adapter, const std::set<std::string>& applied_paths) {
  LeftOut left_out = adapter.left_out;
  const auto add = [&](const std::string& kind, const LowRankPair& pair) {
    std::vector<std::string>& names = left_out[kind];
    names.insert(names.end(), pair.tensor_names.begin(), pair.tensor_names.end());
  };
  for (const auto& [path, pair] : adapter.text_encoder) add("the text encoder", pair);
  for (const auto& [path, pair] : adapter.unet)
    if (!applied_paths.contains(path))
      add(pair.has_spatial_kernel() ? "convolutions over several pixels"
                                    : "modules that are not there or take no adapter",
          pair);
  return left_out;
}

}  // namespace

Applied apply_adapter(model::UNet& unet, const AdapterFile& adapter, double strength,
                      const model::ComputeMode& mode) {
  Applied applied{.tensor_count = 0, .file_tensor_count = adapter.tensor_count};
  std::set<std::string> applied_paths;
  unet.visit_projections([&](const std::string& path, model::ProjectionSlot& slot) {
    const auto found = adapter.unet.find(path);
    if (found == adapter.unet.end()) return;
    const LowRankPair& pair = found->second;
    check_fit(adapter, path, pair, *slot);
    applied_paths.insert(path);
    applied.tensor_count += static_cast<int64_t>(pair.tensor_names.size());
    if (strength == 0) return;
    LoraTensors tensors{.a = as_matrix(pair.a).to(mode.device),
                        .b = as_matrix(pair.b).to(mode.device),
                        .a_gradient = {},
                        .b_gradient = {},
                        .rounded = {}};
    slot = std::make_unique<LoraProjection>(std::move(slot), std::move(tensors), strength * pair.scale());
  });
  applied.left_out = find_left_out(adapter, applied_paths);
  if (applied.tensor_count == 0)
    throw Error(ExitCode::kBadData,
                {.what = "no tensor of the adapter fits the UNet",
                 .expected = "LoRA for Stable Diffusion 1.5 in the names of sdlora, kohya, diffusers "
                             "or PEFT",
                 .seen = adapter.tensor_count == 0 ? "no tensors" : describe(applied.left_out),
                 .where = adapter.file.string(),
                 .advice = "use an adapter that was trained for this model"});
  if (!applied.left_out.empty())
    log::warning(fmt::format("{}: not applied: {}", adapter.file.string(), describe(applied.left_out)));
  return applied;
}

}  // namespace sdlora::lora
