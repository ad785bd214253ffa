#include "lora/tools/extract.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "lora/names/context_widths.h"
#include "lora/targets.h"
#include "lora/tools/singular_values.h"
#include "model/containers/container.h"
#include "model/unet/unet_config.h"

namespace sdlora::lora {
namespace {

using model::ModelPart;
using model::StoredWeights;

struct Models {
  std::shared_ptr<const model::Container> base, tuned;

  Error error(const std::string& what, const std::string& expected, const std::string& seen) const {
    return Error(ExitCode::kBadData, {.what = what,
                                      .expected = expected,
                                      .seen = seen,
                                      .where = tuned->path().string(),
                                      .advice = "name the model that it was tuned from as --base"});
  }
};

at::Tensor values_of(const model::StoredWeight& weight) {
  return weight.read().to(at::kFloat);
}

std::string path_of(const std::string& weight_name, ModelPart part) {
  const std::string path = weight_name.substr(0, weight_name.size() - std::string_view(".weight").size());
  return part == ModelPart::kTextEncoder && !path.starts_with("text_model.") ? "text_model." + path : path;
}

// Matrices and kernels of the targeted layers, by the names of their weights.
std::vector<std::string> names_of(const StoredWeights& weights, ModelPart part, bool has_kernels) {
  const Targets targets(has_kernels ? "full" : "attn-mlp");
  std::vector<std::string> names;
  for (const auto& [name, weight] : weights)
    if (name.ends_with(".weight") && (weight.shape.size() == 2 || weight.shape.size() == 4) &&
        targets.contains(path_of(name, part)))
      names.push_back(name);
  return names;
}

class Extractor {
 public:
  Extractor(const Models& models, const ExtractOptions& options, const std::function<void()>& between_modules)
      : models_(models), options_(options), between_modules_(between_modules) {}

  // Those of one part; none where it is not in both.
  LowRankPairs extract(ModelPart part) {
    LowRankPairs pairs;
    if (!models_.base->has(part) || !models_.tuned->has(part)) return pairs;
    const StoredWeights base = models_.base->weights_of(part), tuned = models_.tuned->weights_of(part);
    greatest_difference_ = 0;
    lost_ = whole_ = 0;
    for (const std::string& name : names_of(base, part, options_.conv_rank > 0)) {
      const auto found = tuned.find(name);
      if (found == tuned.end() || found->second.shape != base.at(name).shape)
        throw models_.error(
            "the two models are not of one architecture",
            fmt::format("{} {}", name, c10::str(at::IntArrayRef(base.at(name).shape))),
            found == tuned.end() ? "no such weight" : c10::str(at::IntArrayRef(found->second.shape)));
      const at::Tensor difference = values_of(found->second) - values_of(base.at(name));
      if (!at::isfinite(difference).all().item<bool>())
        throw models_.error("a weight has values that are not finite", "numbers",
                            "NaN or infinity in " + name);
      pairs.emplace(path_of(name, part), pair_of(difference));
      if (between_modules_) between_modules_();
    }
    return pairs;
  }

  double greatest_difference() const { return greatest_difference_; }

  double lost() const { return lost_; }

  double whole() const { return whole_; }

 private:
  LowRankPair pair_of(const at::Tensor& difference) {
    greatest_difference_ = std::max(greatest_difference_, difference.abs().max().item<double>());
    const SingularValues values = singular_values_of(difference);
    const bool is_kernel = difference.dim() == 4 && difference.size(2) * difference.size(3) > 1;
    const int64_t rank = is_kernel ? options_.conv_rank : options_.rank;
    lost_ += lost_square(values, rank);
    whole_ += lost_square(values, 0);
    return cut_to(values, rank, /*scale=*/1, difference.sizes().slice(1));
  }

  const Models& models_;
  const ExtractOptions& options_;
  const std::function<void()>& between_modules_;
  double greatest_difference_ = 0, lost_ = 0, whole_ = 0;
};

}  // namespace

Extracted extract(const std::filesystem::path& base, const std::filesystem::path& tuned,
                  const ExtractOptions& options, const std::function<void()>& between_modules) {
  const Models models{.base = model::open_container(base), .tuned = model::open_container(tuned)};
  Extracted result;
  result.adapter.file = tuned;
  result.adapter.naming = "kohya";
  Extractor extractor(models, options, between_modules);
  result.adapter.unet = extractor.extract(ModelPart::kUnet);
  double lost = extractor.lost(), whole = extractor.whole(), greatest = extractor.greatest_difference();
  LowRankPairs text = extractor.extract(ModelPart::kTextEncoder);
  if (!text.empty() && extractor.greatest_difference() > options.least_difference) {
    result.adapter.text_encoder = std::move(text);
    result.has_text_encoder = true;
    lost += extractor.lost();
    whole += extractor.whole();
    greatest = std::max(greatest, extractor.greatest_difference());
  }
  if (greatest == 0)
    throw models.error("the two models do not differ", "a model that was tuned", "the same weights");
  for (const auto& [path, pair] : result.adapter.unet)
    if (path.ends_with("attn2.to_k")) result.adapter.context_channels = pair.a.size(1);
  result.adapter.metadata["ss_base_model_version"] =
      result.adapter.context_channels == kContextWidthOfSd2 ? "sd_v2" : "sd_v1";
  result.adapter.metadata["ss_training_comment"] =
      fmt::format("extracted: {} - {}", tuned.filename().string(), base.filename().string());
  result.lost_share = whole == 0 ? 0 : std::sqrt(lost / whole);
  return result;
}

}  // namespace sdlora::lora
