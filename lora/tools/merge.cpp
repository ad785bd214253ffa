#include "lora/tools/merge.h"

#include <algorithm>
#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/python_text.h"
#include "lora/adapter_fit.h"
#include "lora/names/context_widths.h"
#include "lora/names/flat_name.h"
#include "lora/tools/singular_values.h"

namespace sdlora::lora {
namespace {

// Of one module: the pairs of all adapters that have one, with w s in B, and the sum of all else.
struct ModuleSum {
  std::vector<at::Tensor> a;   // [r, in(, k, k)]
  std::vector<at::Tensor> b;   // [out, r]
  at::Tensor difference;       // [out, in(, k, k)]; undefined: none
  std::vector<int64_t> shape;  // of the weight, [out, in(, k, k)]
};

using ModuleSums = std::map<std::string, ModuleSum>;

[[noreturn]] void refuse(const AdapterFile& adapter, const std::string& expected, const std::string& seen,
                         const std::string& advice) {
  throw Error(ExitCode::kBadData, {.what = "the adapter cannot be merged as a whole",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = adapter.file.string(),
                                   .advice = advice});
}

std::vector<int64_t> weight_shape(const LowRankPair& pair) {
  std::vector<int64_t> shape = pair.a.sizes().vec();
  shape.front() = pair.b.size(0);
  return shape;
}

// A linear layer's weight may be kept as a 1 × 1 kernel.
bool is_same_shape(const std::vector<int64_t>& one, const std::vector<int64_t>& other) {
  const auto without_ones = [](std::vector<int64_t> shape) {
    while (shape.size() > 2 && shape.back() == 1) shape.pop_back();
    return shape;
  };
  return without_ones(one) == without_ones(other);
}

ModuleSum& module_at(ModuleSums& sums, const AdapterFile& adapter, const std::string& path,
                     const std::vector<int64_t>& shape) {
  ModuleSum& sum =
      sums.try_emplace(path, ModuleSum{.a = {}, .b = {}, .difference = {}, .shape = shape}).first->second;
  if (!is_same_shape(sum.shape, shape))
    refuse(adapter, fmt::format("{} of a weight {}, as in the files before it", path, sum.shape),
           fmt::format("{}", shape), "merge adapters for one model");
  return sum;
}

void add_pair(ModuleSums& sums, const WeightedAdapter& weighted, const std::string& path,
              const LowRankPair& pair) {
  ModuleSum& sum = module_at(sums, weighted.adapter, path, weight_shape(pair));
  std::vector<int64_t> shape = sum.shape;
  shape.front() = pair.rank();
  sum.a.push_back(pair.a.reshape(shape));
  sum.b.push_back(pair.b.flatten(1) * (weighted.weight * pair.scale()));
}

// What is no pair, and of no weight.
void add_other(ModuleSums& sums, const WeightedAdapter& weighted, const std::string& path,
               const ModuleChange& change, const ModuleTable& table) {
  const ModelModule* module = table.find(flat_name(path));
  if (!change.weight.difference || change.bias || module == nullptr || !change.weight.fits(module->shape))
    refuse(weighted.adapter, "changes of weights that do not depend on the model, and none of biases",
           fmt::format("{} in {}", change.bias ? "a bias" : change.weight.kind, path),
           "draw with both: generate --lora FILE:SCALE several times");
  ModuleSum& sum = module_at(sums, weighted.adapter, path, module->shape);
  const at::Tensor difference = change.weight.difference().reshape(sum.shape) * weighted.weight;
  sum.difference = sum.difference.defined() ? sum.difference + difference : difference;
}

ModuleSums sums_of(const std::vector<WeightedAdapter>& adapters, bool takes_all_kinds,
                   const ModuleTable& table) {
  ModuleSums sums;
  for (const WeightedAdapter& weighted : adapters) {
    const AdapterFile& adapter = weighted.adapter;
    check_is_of_sd(adapter);
    if (!adapter.left_out.empty())
      refuse(adapter, "tensors that this program reads", describe(adapter.left_out), "leave this file out");
    if (!adapter.others.empty() && !takes_all_kinds)
      refuse(
          adapter, "pairs of A and B (down and up) only",
          fmt::format("{} in {}", adapter.others.begin()->second.weight.kind, adapter.others.begin()->first),
          "give --rank, to which the sum is cut");
    for (const LowRankPairs* pairs : {&adapter.unet, &adapter.text_encoder})
      for (const auto& [path, pair] : *pairs) add_pair(sums, weighted, path, pair);
    for (const auto& [path, change] : adapter.others) add_other(sums, weighted, path, change, table);
  }
  return sums;
}

LowRankPair side_by_side(const ModuleSum& sum) {
  at::Tensor b = at::cat(sum.b, 1);
  const auto rank = static_cast<double>(b.size(1));
  if (sum.shape.size() > 2) b = b.unsqueeze(-1).unsqueeze(-1);
  return {.a = at::cat(sum.a, 0), .b = b, .alpha = rank, .tensor_names = {}};
}

SingularValues values_of_sum(const ModuleSum& sum) {
  if (!sum.difference.defined()) return singular_values_of(side_by_side(sum));
  at::Tensor whole = sum.difference.flatten(1).to(at::kDouble);
  for (size_t i = 0; i < sum.a.size(); ++i)
    whole.addmm_(sum.b[i].to(at::kDouble), sum.a[i].flatten(1).to(at::kDouble));
  return singular_values_of(whole);
}

int64_t shorter_side(const std::vector<int64_t>& shape) {
  return std::min(shape.front(), c10::multiply_integers(at::IntArrayRef(shape).slice(1)));
}

// Of one module that has several; adds what is lost, and of how much.
LowRankPair merged_module(const ModuleSum& sum, std::optional<int64_t> rank, double& lost, double& whole) {
  if (!rank) {
    LowRankPair exact = side_by_side(sum);
    if (exact.rank() <= shorter_side(sum.shape)) return exact;
  }
  const SingularValues values = values_of_sum(sum);
  const int64_t kept = rank ? *rank : values.s.size(0);
  lost += lost_square(values, kept);
  whole += lost_square(values, 0);
  return cut_to(values, kept, /*scale=*/1, at::IntArrayRef(sum.shape).slice(1));
}

// What all files say alike, and of which they are made.
checkpoint::Metadata common_metadata(const std::vector<WeightedAdapter>& adapters) {
  checkpoint::Metadata common = adapters.front().adapter.metadata;
  std::vector<std::string> names, recipe;
  for (const auto& [adapter, weight] : adapters) {
    std::erase_if(common, [&metadata = adapter.metadata](const auto& entry) {
      const auto other = metadata.find(entry.first);
      return other == metadata.end() || other->second != entry.second;
    });
    const auto title = adapter.metadata.find("modelspec.title");
    names.push_back(title == adapter.metadata.end() ? adapter.file.stem().string() : title->second);
    recipe.push_back(fmt::format("{}:{}", adapter.file.filename().string(), python_text(weight)));
  }
  common["modelspec.merged_from"] = fmt::format("{}", fmt::join(names, ", "));
  common["ss_training_comment"] = fmt::format("merged: {}", fmt::join(recipe, " + "));
  return common;
}

void check_same_family(const std::vector<WeightedAdapter>& adapters) {
  const AdapterFile* known = nullptr;
  for (const auto& [adapter, weight] : adapters) {
    if (!adapter.context_channels) continue;
    if (known != nullptr && known->context_channels != adapter.context_channels)
      refuse(
          adapter,
          fmt::format("captions {} numbers wide, as in {}", *known->context_channels, known->file.string()),
          fmt::format("{}", *adapter.context_channels), "merge adapters for one model");
    known = &adapter;
  }
}

}  // namespace

Merged merged(const std::vector<WeightedAdapter>& adapters, std::optional<int64_t> rank) {
  check_same_family(adapters);
  Merged result;
  result.adapter.file = adapters.front().adapter.file;
  result.adapter.naming = adapters.front().adapter.naming;
  result.adapter.metadata = common_metadata(adapters);
  for (const auto& [adapter, weight] : adapters)
    if (adapter.context_channels) result.adapter.context_channels = adapter.context_channels;
  const ModuleTable table = ModuleTable::standard(result.adapter.context_channels == kContextWidthOfSd2);
  double lost = 0, whole = 0;
  for (const auto& [path, sum] : sums_of(adapters, rank.has_value(), table)) {
    LowRankPairs& pairs = path.starts_with("text_model.") ? result.adapter.text_encoder : result.adapter.unet;
    pairs.emplace(path, merged_module(sum, rank, lost, whole));
  }
  result.lost_share = whole == 0 ? 0 : std::sqrt(lost / whole);
  return result;
}

}  // namespace sdlora::lora
