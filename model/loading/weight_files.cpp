#include "model/loading/weight_files.h"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/text_list.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

// There, also as a link to nothing: a hub cache whose blob is gone.
bool is_named(const fs::path& path) {
  std::error_code error;
  return fs::exists(fs::symlink_status(path, error));
}

fs::path present(const fs::path& path) {
  if (fs::exists(path)) return path;
  throw Error(ExitCode::kIo, {.what = "a weight file of the model is not there",
                              .seen = is_named(path) ? "a link to a file that is gone" : "no such file",
                              .where = path.string(),
                              .advice = "download or copy the model again"});
}

bool is_plain_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find_first_of("/\\:") == std::string::npos;
}

// The shards that an index file names: {"weight_map": {"tensor name": "file name"}}.
std::vector<fs::path> shards_of(const fs::path& index_file) {
  std::set<std::string> names;
  try {
    const auto index = parse_json(read_text(present(index_file)));
    for (const auto& [tensor, file] : index.at("weight_map").items()) names.insert(file.get<std::string>());
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read the index of a sharded model",
                                     .expected = "JSON with a \"weight_map\" from tensors to files",
                                     .seen = failure.what(),
                                     .where = index_file.string()});
  }
  std::vector<fs::path> files;
  files.reserve(names.size());
  for (const std::string& name : names) {
    if (!is_plain_name(name))
      throw Error(ExitCode::kBadData, {.what = "the index of a sharded model names a file elsewhere",
                                       .expected = "names of files in its own folder",
                                       .seen = name,
                                       .where = index_file.string(),
                                       .advice = "do not use this model unless you know who made it"});
    files.push_back(present(index_file.parent_path() / name));
  }
  return files;
}

// NAME-00001-of-00003.EXTENSION without an index; nothing unless all are there.
std::vector<fs::path> shards_without_index(const fs::path& directory, const std::string& stem,
                                           const std::string& extension) {
  std::vector<fs::path> shards;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(stem + "-0") && name.ends_with(extension) && name.find("-of-") != std::string::npos)
      shards.push_back(entry.path());
  }
  std::ranges::sort(shards);
  if (shards.empty() || !shards.back().filename().string().ends_with(
                            fmt::format("-{0:05}-of-{0:05}{1}", shards.size(), extension)))
    return {};
  return shards;
}

struct Form {
  std::string stem, variant, extension;  // "model", ".fp16" or "", ".safetensors"
};

std::vector<fs::path> files_of(const fs::path& directory, const Form& form) {
  const auto& [stem, variant, extension] = form;
  if (const fs::path whole = directory / (stem + variant + extension); is_named(whole))
    return {present(whole)};
  for (const std::string& name : {fmt::format("{}{}.index{}.json", stem, extension, variant),
                                  fmt::format("{}{}{}.index.json", stem, variant, extension),
                                  fmt::format("{}{}{}.index.json", stem, extension, variant)})
    if (is_named(directory / name)) return shards_of(directory / name);
  return shards_without_index(directory, stem + variant, extension);
}

// What lies in the folder in place of weights that this program reads.
std::string weights_of_others_in(const fs::path& directory) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory)) {
    const fs::path extension = entry.path().extension();
    for (const char* other : {".msgpack", ".onnx", ".pb", ".gguf", ".h5", ".tflite"})
      if (extension == other) names.push_back(entry.path().filename().string());
    if (entry.path().filename() == "openvino_model.bin") names.emplace_back("openvino_model.bin");
  }
  std::ranges::sort(names);
  return names.empty() ? "" : "weights of other programs: " + indented_list(names);
}

}  // namespace

WeightFiles find_weight_files(const fs::path& part_directory) {
  for (const std::string variant : {"", ".fp16", ".bf16", ".non_ema"})
    for (const auto& [stem, extension] : {std::pair{"diffusion_pytorch_model", ".safetensors"},
                                          {"model", ".safetensors"},
                                          {"diffusion_pytorch_model", ".bin"},
                                          {"pytorch_model", ".bin"}})
      if (std::vector<fs::path> files = files_of(part_directory, {stem, variant, extension}); !files.empty())
        return {.files = std::move(files), .variant = variant.empty() ? "" : variant.substr(1)};
  throw Error(ExitCode::kUsage,
              {.what = "the model has no weights here",
               .expected = "diffusion_pytorch_model or model (.safetensors), or pytorch_model (.bin), whole "
                           "or sharded, also with .fp16, .bf16 or .non_ema in the name",
               .seen = weights_of_others_in(part_directory),
               .where = part_directory.string(),
               .advice = "give --model a directory in diffusers layout, or one checkpoint file"});
}

}  // namespace sdlora::model
