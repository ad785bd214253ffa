#include "lora/adapter_fit.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "lora/names/context_widths.h"

namespace sdlora::lora {
std::string family_of_width(int64_t context_channels) {
  switch (context_channels) {
    case kContextWidthOfSd1:
      return "Stable Diffusion 1.x";
    case kContextWidthOfSd2:
      return "Stable Diffusion 2.x";
    case kContextWidthOfSdxl:
      return "Stable Diffusion XL";
    default:
      return "another model";
  }
}

void check_family(const AdapterFile& adapter, int64_t context_channels) {
  if (!adapter.context_channels || *adapter.context_channels == context_channels) return;
  throw Error(ExitCode::kBadData,
              {.what = "the adapter is for another family of models",
               .expected = fmt::format("one for captions of width {}, as this model's", context_channels),
               .seen = fmt::format("one for {}, whose captions have width {}",
                                   family_of_width(*adapter.context_channels), *adapter.context_channels),
               .where = adapter.file.string(),
               .advice = "use it with a model of its family, or another adapter with this one"});
}

void check_is_of_sd(const AdapterFile& adapter) {
  const std::string family =
      adapter.context_channels == kContextWidthOfSdxl ? family_of_width(kContextWidthOfSdxl) : adapter.family;
  if (family.empty()) return;
  throw Error(ExitCode::kBadData, {.what = "the adapter is for another family of models",
                                   .expected = "one for Stable Diffusion 1.x or 2.x",
                                   .seen = "one for " + family,
                                   .where = adapter.file.string()});
}

void check_fit(const AdapterFile& adapter, const LowRankPair& pair, const AdapterModule& module) {
  const int64_t size = std::max<int64_t>(module.kernel_size, 1);
  const int64_t in_channels = module.in_features / (size * size);
  const bool has_kernel = pair.a.dim() == 4 ? pair.a.size(2) == size && pair.a.size(3) == size : size == 1;
  if (has_kernel && pair.a.size(1) == in_channels && pair.b.size(0) == module.out_features) return;
  const std::string kernel = size > 1 ? fmt::format(", {}, {}", size, size) : "";
  refuse_shape(adapter, module.path, pair.tensor_names,
               fmt::format("A [{}, {}{}], B [{}, {}]", pair.rank(), in_channels, kernel, module.out_features,
                           pair.rank()),
               fmt::format("A {}, B {}", c10::str(pair.a.sizes()), c10::str(pair.b.sizes())));
}

void refuse_shape(const AdapterFile& adapter, const std::string& path,
                  const std::vector<std::string>& tensor_names, const std::string& expected,
                  const std::string& seen) {
  throw Error(ExitCode::kBadData,
              {.what = "the adapter does not fit the model: a module has another shape",
               .expected = fmt::format("{} for {}", expected, path),
               .seen = seen,
               .where = fmt::format("tensors {} of {}", fmt::join(tensor_names, ", "), adapter.file.string()),
               .advice = "use an adapter that was trained for this model"});
}

LeftOut find_left_out(const AdapterFile& adapter, const std::set<std::string>& applied_paths, LoraKind kind) {
  LeftOut left_out = adapter.left_out;
  const auto add = [&](const std::string& reason, const std::vector<std::string>& tensor_names) {
    std::vector<std::string>& names = left_out[reason];
    names.insert(names.end(), tensor_names.begin(), tensor_names.end());
  };
  for (const auto& [path, pair] : adapter.text_encoder)
    if (!applied_paths.contains(path)) add(kTextEncoderNotTrained, pair.tensor_names);
  const auto why_not = [&](const std::string& path, const ModuleChange& change) -> std::string {
    if (!adapter.doras.contains(path)) return change.weight.kind.empty() ? "biases" : change.weight.kind;
    if (kind == LoraKind::kLora) return kDoraForALora;
    return path.starts_with("text_model.") ? kTextEncoderNotTrained : kNotTrained;
  };
  for (const auto& [path, change] : adapter.others)
    if (!applied_paths.contains(path)) add(why_not(path, change), change.tensor_names);
  for (const auto& [path, pair] : adapter.unet)
    if (!applied_paths.contains(path)) add(kNotTrained, pair.tensor_names);
  return left_out;
}

void refuse_unfit(const AdapterFile& adapter, const LeftOut& left_out) {
  const bool is_untrained = left_out.contains(kNotTrained) || left_out.contains(kTextEncoderNotTrained);
  const bool is_of_unread_kind = left_out.size() == 1 && !is_untrained && !left_out.contains(kNotInTheModel);
  Problem problem{.what = "no tensor of the adapter fits the model",
                  .expected =
                      "an adapter for Stable Diffusion 1.x or 2.x in the names of sdlora, kohya, "
                      "LyCORIS, diffusers or PEFT",
                  .seen = adapter.tensor_count == 0 ? "no tensors" : describe(left_out),
                  .where = adapter.file.string(),
                  .advice = "use an adapter that was trained for this model"};
  if (!adapter.family.empty())
    problem.advice = "it is for " + adapter.family + ": use it with a model of that family";
  else if (left_out.contains(kDoraForALora))
    problem.advice = "give --lora-kind dora to go on with its magnitudes, too";
  else if (is_untrained)
    problem.advice = "train what it is for, too, or begin from another adapter";
  else if (is_of_unread_kind)
    problem.advice =
        "this kind is not read: let the program that made it merge it into a model, or train a LoRA in its "
        "place";
  throw Error(ExitCode::kBadData, problem);
}

}  // namespace sdlora::lora
