#include <set>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "lora/adapter_file.h"
#include "lora/adapter_fit.h"
#include "lora/lora_projection.h"

namespace sdlora::lora {
namespace {

// [r, in, 1, 1] and [r, in] are the same matrix.
at::Tensor as_matrix(const at::Tensor& tensor) {
  return tensor.reshape({tensor.size(0), tensor.size(1)});
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
    check_fit(adapter, path, pair, slot->in_features(), slot->out_features());
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
  if (applied.tensor_count == 0) refuse_unfit(adapter, applied.left_out);
  if (!applied.left_out.empty())
    log::warning(fmt::format("{}: not applied: {}", adapter.file.string(), describe(applied.left_out)));
  return applied;
}

}  // namespace sdlora::lora
