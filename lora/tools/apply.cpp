#include "lora/tools/apply.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include "checkpoint/tensor_file.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "common/python_text.h"
#include "common/utf8.h"
#include "lora/tools/edited_files.h"

namespace sdlora::lora {
namespace {

namespace fs = std::filesystem;
using model::ModelPart;

ModuleTable table_of(const model::Container& model) {
  const auto unet = model::UNetConfig::read(model.config_of(ModelPart::kUnet));
  constexpr auto kText = ModelPart::kTextEncoder;
  return {unet, model.has(kText) ? model::ClipTextConfig::read(model.config_of(kText))
                                 : standard_text_encoder(/*is_sd2=*/false)};
}

[[noreturn]] void refuse_output(const fs::path& output, const std::string& expected,
                                const std::string& seen) {
  throw Error(ExitCode::kUsage, {.what = "the merged model cannot be written there",
                                 .expected = expected,
                                 .seen = seen,
                                 .where = output.string(),
                                 .advice = "choose another --output"});
}

checkpoint::Metadata merged_metadata(checkpoint::Metadata metadata,
                                     const std::vector<AdapterRequest>& adapters, const fs::path& output) {
  std::erase_if(metadata, [](const auto& entry) {
    return entry.first.starts_with("sshs_") || entry.first == "modelspec.hash_sha256";
  });
  std::vector<std::string> merged;
  merged.reserve(adapters.size());
  for (const AdapterRequest& adapter : adapters)
    merged.push_back(fmt::format("{}:{}", adapter.file.filename().string(), python_text(adapter.scale)));
  metadata["format"] = "pt";
  metadata["modelspec.title"] = valid_utf8(output.stem().string());
  metadata["modelspec.merged_from"] = valid_utf8(fmt::format("{}", fmt::join(merged, ", ")));
  return metadata;
}

bool has_ema(const checkpoint::TensorFile& file) {
  const auto& tensors = file.tensors();
  const auto first = tensors.lower_bound("model_ema.");
  return first != tensors.end() && first->first.starts_with("model_ema.");
}

void write_file(const fs::path& model, const EditedFiles& edited, const std::vector<AdapterRequest>& adapters,
                const fs::path& output, AppliedToModel& result) {
  if (output.extension() != ".safetensors")
    refuse_output(output, "a .safetensors file, since the model is one file", output.filename().string());
  std::error_code ignored;
  if (fs::equivalent(model, output, ignored))
    refuse_output(output, "another file than the model's", "the model itself");
  const std::shared_ptr<const checkpoint::TensorFile> file = checkpoint::open_tensor_file(model);
  result.has_unchanged_ema = has_ema(*file);
  checkpoint::write_safetensors(output, edited.tensors_of(file),
                                merged_metadata(file->metadata(), adapters, output));
}

// Weights of any kind: what stands beside the ones that are written anew would be read in their place.
bool is_weight_file(const fs::path& file) {
  const std::string name = file.filename().string();
  return name.ends_with(".safetensors") || name.ends_with(".bin") || name.ends_with(".index.json") ||
         name.ends_with(".msgpack") || name.ends_with(".ckpt");
}

// All but the weights of the parts that are written anew.
void copy_the_rest(const fs::path& from, const fs::path& to) {
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(from)) {
    const fs::path below = fs::relative(entry.path(), from);
    const std::string folder = below.begin()->string();
    if (folder.starts_with('.') || !entry.is_regular_file()) continue;
    const bool is_edited = folder == name_of(ModelPart::kUnet) || folder == name_of(ModelPart::kTextEncoder);
    if ((is_edited || below.has_parent_path() == false) && is_weight_file(below)) continue;
    fs::create_directories((to / below).parent_path());
    fs::copy_file(entry.path(), to / below);
  }
}

void write_part(const model::Container& model, ModelPart part, const EditedFiles& edited,
                const checkpoint::Metadata& metadata, const fs::path& folder) {
  if (!model.has(part)) return;
  std::vector<checkpoint::LazyTensor> tensors;
  for (const fs::path& path : model.files_of(part)) {
    if (!is_weight_file(path) || path.extension() == ".json") continue;
    for (checkpoint::LazyTensor& tensor : edited.tensors_of(checkpoint::open_tensor_file(path)))
      tensors.push_back(std::move(tensor));
  }
  const char* name = part == ModelPart::kUnet ? "diffusion_pytorch_model.safetensors" : "model.safetensors";
  fs::create_directories(folder / name_of(part));
  checkpoint::write_safetensors(folder / name_of(part) / name, tensors, metadata);
}

void write_directory(const model::Container& model, const EditedFiles& edited,
                     const std::vector<AdapterRequest>& adapters, const fs::path& output) {
  if (output.extension() == ".safetensors")
    refuse_output(output, "a folder, since the model is a directory", output.filename().string());
  if (fs::exists(fs::symlink_status(output)))
    refuse_output(output, "a folder that is not there yet", "it is there");
  const fs::path whole = fs::absolute(output / "").lexically_normal().parent_path();
  const fs::path temporary =
      whole.parent_path() / fmt::format(".{}{}{}", whole.filename().string(), kTemporaryMark, ::getpid());
  const checkpoint::Metadata metadata = merged_metadata({}, adapters, whole);
  try {
    fs::create_directories(temporary);
    copy_the_rest(model.path(), temporary);
    for (const ModelPart part : {ModelPart::kUnet, ModelPart::kTextEncoder})
      write_part(model, part, edited, metadata, temporary);
    fs::rename(temporary, whole);
  } catch (const fs::filesystem_error& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw Error(ExitCode::kIo, {.what = "cannot write the merged model",
                                .seen = error.code().message(),
                                .where = error.path1().string()});
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw;
  }
}

}  // namespace

AppliedToModel apply(const fs::path& model, const std::vector<AdapterRequest>& adapters,
                     const fs::path& output, std::optional<at::ScalarType> dtype) {
  const std::shared_ptr<const model::Container> container = model::open_container(model);
  const ModuleTable table = table_of(*container);
  AdapterEdits edits(table);
  for (const AdapterRequest& request : adapters) {
    const AdapterFile adapter = read_adapter(request.file, table);
    const Applied applied = edits.add(adapter, request.scale);
    log::info(fmt::format("{} of {} tensors of {} at {:g}", applied.tensor_count, applied.file_tensor_count,
                          adapter.file.string(), request.scale));
  }
  const EditedFiles edited(*container, edits, dtype);
  AppliedToModel result{.changed_count = edited.changed_count()};
  result.missing_count = static_cast<int64_t>(edits.weight_count()) - result.changed_count;
  if (fs::is_regular_file(container->path()))
    write_file(container->path(), edited, adapters, output, result);
  else
    write_directory(*container, edited, adapters, output);
  return result;
}

}  // namespace sdlora::lora
