#include "model/loading/weight_source.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/text_list.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

// The shards that an index file names: {"weight_map": {"tensor name": "file name"}}.
std::vector<fs::path> shards_of(const fs::path& index_file) {
  std::set<std::string> names;
  try {
    const auto index = parse_json(read_text(index_file));
    for (const auto& [tensor, file] : index.at("weight_map").items()) names.insert(file.get<std::string>());
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read the index of a sharded model",
                                     .expected = "JSON with a \"weight_map\" from tensors to files",
                                     .seen = failure.what(),
                                     .where = index_file.string()});
  }
  std::vector<fs::path> files;
  files.reserve(names.size());
  for (const std::string& name : names) files.push_back(index_file.parent_path() / name);
  return files;
}

std::string join_shape(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace

std::vector<fs::path> find_weight_files(const fs::path& part_directory) {
  for (const std::string variant : {"", ".fp16"})
    for (const std::string stem : {"diffusion_pytorch_model", "model"}) {
      const fs::path whole = part_directory / fmt::format("{}{}.safetensors", stem, variant);
      if (fs::exists(whole)) return {whole};
      for (const std::string& name : {fmt::format("{}.safetensors.index{}.json", stem, variant),
                                      fmt::format("{}{}.safetensors.index.json", stem, variant)})
        if (const fs::path index = part_directory / name; fs::exists(index)) return shards_of(index);
    }
  throw Error(ExitCode::kUsage,
              {.what = "the model has no weights here",
               .expected = "diffusion_pytorch_model.safetensors or model.safetensors (or .fp16., or sharded "
                           "with an .index.json)",
               .where = part_directory.string(),
               .advice = "give --model a directory in diffusers layout with safetensors weights"});
}

struct WeightSource::State {
  std::vector<checkpoint::SafetensorsFile> files;
  std::map<std::string, size_t> file_of_name;
  ComputeMode mode;
  const WeightEdits* edits;
  std::set<std::string> used;
  std::vector<std::string> missing, misshapen;

  // `weight` as it is computed with: edited in fp32, before 16 bits round it.
  at::Tensor prepared(const std::string& name, at::Tensor weight) const {
    if (edits != nullptr && edits->touches(name)) weight = edits->edited(name, weight.to(at::kFloat));
    return weight.to(at::TensorOptions(mode.device).dtype(mode.dtype));
  }
};

WeightSource::WeightSource(const std::vector<fs::path>& files, const ComputeMode& mode,
                           const WeightEdits* edits)
    : state_(std::make_shared<State>()) {
  state_->mode = mode;
  state_->edits = edits;
  for (const fs::path& path : files) {
    state_->files.emplace_back(path);
    for (const auto& [name, info] : state_->files.back().tensors())
      if (!state_->file_of_name.emplace(name, state_->files.size() - 1).second)
        throw Error(ExitCode::kBadData,
                    {.what = "two weight files hold the same tensor", .seen = name, .where = path.string()});
  }
}

WeightSource WeightSource::at(const std::string& name) const {
  WeightSource below = *this;
  below.prefix_ = full_name(name) + ".";
  return below;
}

const ComputeMode& WeightSource::mode() const {
  return state_->mode;
}

std::string WeightSource::full_name(const std::string& name) const {
  return prefix_ + name;
}

bool WeightSource::has(const std::string& name) const {
  return state_->file_of_name.contains(full_name(name));
}

at::Tensor WeightSource::tensor(const std::string& name, std::initializer_list<int64_t> shape) const {
  const std::string full = full_name(name);
  const auto entry = state_->file_of_name.find(full);
  if (entry == state_->file_of_name.end()) {
    state_->missing.push_back(full);
    return {};
  }
  state_->used.insert(full);
  const checkpoint::SafetensorsFile& file = state_->files[entry->second];
  const auto& seen_shape = file.tensors().at(full).shape;
  if (at::IntArrayRef(seen_shape) != at::IntArrayRef(shape)) {
    state_->misshapen.push_back(
        fmt::format("{} is {}, wanted {}", full, join_shape(seen_shape), join_shape(shape)));
    return {};
  }
  return state_->prepared(full, file.tensor(full));
}

at::Tensor WeightSource::added(const std::string& name, std::initializer_list<int64_t> shape) const {
  const std::string full = full_name(name);
  if (state_->edits == nullptr || !state_->edits->touches(full)) return {};
  return state_->prepared(full, at::zeros(shape, at::kFloat));
}

at::Tensor WeightSource::matrix(const std::string& name, int64_t out, int64_t in) const {
  const std::string full = full_name(name);
  const auto entry = state_->file_of_name.find(full);
  if (entry != state_->file_of_name.end() &&
      state_->files[entry->second].tensors().at(full).shape == std::vector<int64_t>{out, in, 1, 1})
    return tensor(name, {out, in, 1, 1}).view({out, in});
  return tensor(name, {out, in});
}

void WeightSource::ignore(const std::string& name) const {
  state_->used.insert(full_name(name));
}

void WeightSource::finish() const {
  std::vector<std::string> unexpected;
  for (const auto& [name, file] : state_->file_of_name)
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
  throw Error(ExitCode::kBadData,
              {.what = "the weights do not fit the model's config",
               .expected = "exactly the tensors that config.json describes",
               .seen = seen,
               .where = state_->files.empty() ? "" : state_->files.front().path().string(),
               .advice = "check that config.json and the weight files come from the same model"});
}

}  // namespace sdlora::model
