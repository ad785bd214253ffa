#include "model/loading/weight_source.h"

#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/text_list.h"
#include "model/loading/finite_values.h"

namespace sdlora::model {
namespace {

std::string join_shape(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

struct WeightSource::State {
  StoredWeights weights;
  std::filesystem::path where;
  ComputeMode mode;
  const WeightEdits* edits;
  std::set<std::string> used;
  std::vector<std::string> missing, misshapen, quantised, nonfinite;

  // `weight` as it is computed with: edited in fp32, before 16 bits round it.
  at::Tensor prepared(const std::string& name, at::Tensor weight) const {
    if (edits != nullptr && edits->touches(name)) weight = edits->edited(name, weight.to(at::kFloat));
    return weight.to(at::TensorOptions(mode.device).dtype(mode.dtype));
  }
};

WeightSource::WeightSource(StoredWeights weights, std::filesystem::path where, const ComputeMode& mode,
                           const WeightEdits* edits)
    : state_(std::make_shared<State>()) {
  state_->weights = std::move(weights);
  state_->where = std::move(where);
  state_->mode = mode;
  state_->edits = edits;
}

WeightSource WeightSource::at(const std::string& name) const {
  WeightSource below = *this;
  below.prefix_ = full_name(name) + ".";
  return below;
}

WeightSource WeightSource::on_level(size_t level) const {
  WeightSource same = *this;
  same.level_ = level;
  return same;
}

MapSize WeightSource::expected_map() const {
  return state_->mode.expected_latents.halved(static_cast<int64_t>(level_));
}

const ComputeMode& WeightSource::mode() const {
  return state_->mode;
}

std::string WeightSource::full_name(const std::string& name) const {
  return prefix_ + name;
}

std::string WeightSource::path() const {
  return prefix_.substr(0, prefix_.find_last_of('.'));
}

bool WeightSource::has(const std::string& name) const {
  return state_->weights.contains(full_name(name));
}

at::Tensor WeightSource::tensor(const std::string& name, std::initializer_list<int64_t> shape) const {
  const std::string full = full_name(name);
  const auto entry = state_->weights.find(full);
  if (entry == state_->weights.end()) {
    state_->missing.push_back(full);
    return {};
  }
  state_->used.insert(full);
  const StoredWeight& weight = entry->second;
  if (at::IntArrayRef(weight.shape) != at::IntArrayRef(shape)) {
    state_->misshapen.push_back(
        fmt::format("{} is {}, wanted {}", full, join_shape(weight.shape), join_shape(shape)));
    return {};
  }
  const at::Tensor stored = weight.read();
  if (!at::isFloatingType(stored.scalar_type())) {
    state_->quantised.push_back(
        fmt::format("{} is {}", weight.name_in_file, at::toString(stored.scalar_type())));
    return {};
  }
  if (const int64_t count = count_nonfinite(stored); count > 0)
    state_->nonfinite.push_back(fmt::format("{}: {} of {} values, in {}", weight.name_in_file, count,
                                            stored.numel(), weight.file->path().string()));
  return state_->prepared(full, stored);
}

at::Tensor WeightSource::added(const std::string& name, std::initializer_list<int64_t> shape) const {
  const std::string full = full_name(name);
  if (state_->edits == nullptr || !state_->edits->touches(full)) return {};
  return state_->prepared(full, at::zeros(shape, at::kFloat));
}

at::Tensor WeightSource::matrix(const std::string& name, int64_t out, int64_t in) const {
  const std::string full = full_name(name);
  const auto entry = state_->weights.find(full);
  const bool is_kernel =
      entry != state_->weights.end() && entry->second.shape == std::vector<int64_t>{out, in, 1, 1};
  if (!is_kernel) return tensor(name, {out, in});
  const at::Tensor kernel = tensor(name, {out, in, 1, 1});
  return kernel.defined() ? kernel.view({out, in}) : kernel;
}

void WeightSource::finish() const {
  const std::string where = state_->where.string();
  if (!state_->quantised.empty())
    throw Error(ExitCode::kBadData,
                {.what = "the weights are quantised, which this program does not read",
                 .expected = "floating-point weights: fp32, fp16, bf16 or fp64",
                 .seen = fmt::format("{} tensor(s) of integers:{}", state_->quantised.size(),
                                     indented_list(state_->quantised)),
                 .where = where,
                 .advice = "use the model in fp16 or fp32"});
  if (!state_->nonfinite.empty())
    throw Error(
        ExitCode::kBadData,
        {.what = "the weights are broken: values that are NaN or infinite",
         .expected = "finite numbers",
         .seen = fmt::format("{} tensor(s) with such values:{}", state_->nonfinite.size(),
                             indented_list(state_->nonfinite)),
         .where = where,
         .advice = "copy the model again; when it stays so, its author's merge or conversion went wrong: "
                   "use another model"});
  std::vector<std::string> unexpected;
  for (const auto& [name, weight] : state_->weights)
    if (!state_->used.contains(name)) unexpected.push_back(name);
  if (state_->missing.empty() && state_->misshapen.empty() && unexpected.empty()) return;

  std::string seen;
  const auto list = [&seen](const char* kind, const std::vector<std::string>& items) {
    if (items.empty()) return;
    seen += fmt::format("{}{} {} tensor(s):", seen.empty() ? "" : "\n    ", items.size(), kind);
    seen += indented_list(items);
  };
  list("missing", state_->missing);
  list("misshapen", state_->misshapen);
  list("unexpected", unexpected);
  throw Error(ExitCode::kBadData, {.what = "the weights do not fit the model's config",
                                   .expected = "exactly the tensors that the config describes",
                                   .seen = seen,
                                   .where = where,
                                   .advice = "check that config and weights come from the same model"});
}

}  // namespace sdlora::model
