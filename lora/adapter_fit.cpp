#include "lora/adapter_fit.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::lora {

void check_fit(const AdapterFile& adapter, const std::string& path, const LowRankPair& pair,
               int64_t in_features, int64_t out_features) {
  if (!pair.has_spatial_kernel() && pair.a.size(1) == in_features && pair.b.size(0) == out_features) return;
  throw Error(ExitCode::kBadData,
              {.what = "the adapter does not fit the model: a module has another shape",
               .expected = fmt::format("A [{}, {}], B [{}, {}] for {}", pair.rank(), in_features,
                                       out_features, pair.rank(), path),
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

void refuse_unfit(const AdapterFile& adapter, const LeftOut& left_out) {
  throw Error(ExitCode::kBadData,
              {.what = "no tensor of the adapter fits the UNet",
               .expected = "LoRA for Stable Diffusion 1.5 in the names of sdlora, kohya, diffusers "
                           "or PEFT",
               .seen = adapter.tensor_count == 0 ? "no tensors" : describe(left_out),
               .where = adapter.file.string(),
               .advice = "use an adapter that was trained for this model"});
}

}  // namespace sdlora::lora
