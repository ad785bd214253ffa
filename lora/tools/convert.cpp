#include "lora/tools/convert.h"

#include "common/error.h"
#include "common/option_values.h"
#include "lora/tools/peft_folder.h"
#include "lora/trained_adapter.h"

namespace sdlora::lora {
namespace {

// Of the metadata that our files do not have, what lora_weights.json says.
void write_ours(const AdapterFile& adapter, const std::filesystem::path& file) {
  TrainedAdapter ours;
  const auto add = [&](const std::string& path, const LowRankPair& pair) {
    ours.tensors.emplace(path + ".lora_A", pair.a);
    ours.tensors.emplace(path + ".lora_B", pair.b);
    if (ours.tensors.size() == 2) {  // the first says what is usual
      ours.config.rank = pair.rank();
      ours.config.alpha = pair.alpha;
    } else if (pair.alpha != ours.config.alpha) {
      ours.other_alphas.emplace(path, pair.alpha);
    }
  };
  for (const LowRankPairs* pairs : {&adapter.unet, &adapter.text_encoder})
    for (const auto& [path, pair] : *pairs) add(path, pair);
  for (const auto& [path, dora] : adapter.doras) {
    add(path, dora.pair);
    ours.tensors.emplace(path + ".lora_magnitude_vector", dora.magnitude);
  }
  ours.config.targets = "of another file";
  if (const auto steps = adapter.metadata.find("ss_steps"); steps != adapter.metadata.end())
    read_value(steps->second, ours.step);
  if (const auto hash = adapter.metadata.find("sdlora_base_model_sha256"); hash != adapter.metadata.end())
    ours.base_model_hash = hash->second;
  write_adapter(file, ours);
}

// No file's name says another format than it has.
void check_output(const std::filesystem::path& output, AdapterFormat format, at::ScalarType dtype) {
  const std::string ending = output.extension().string();
  const bool is_tensors = ending == ".safetensors";
  const bool is_torch = ending == ".pt" || ending == ".pth" || ending == ".bin" || ending == ".ckpt";
  const auto refuse = [&](const std::string& expected, const std::string& seen) {
    throw Error(ExitCode::kUsage, {.what = "the output's name or type does not go with its format",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = output.string(),
                                   .advice = "correct --output, --format or --save-dtype"});
  };
  const std::string name = output.filename().string();
  if (format == AdapterFormat::kPeft) {
    if (is_tensors || is_torch) refuse("a folder's name, for --format peft", name);
  } else if (format == AdapterFormat::kPt) {
    if (ending != ".pt") refuse("a name that ends in .pt, for --format pt", name);
    if (dtype != at::kFloat) refuse("--save-dtype float, which is what a .pt holds", "another type");
  } else if (!is_tensors) {
    refuse("a name that ends in .safetensors", name);
  }
}

}  // namespace

Words<AdapterFormat> adapter_format_words() {
  return {{"kohya", AdapterFormat::kKohya},
          {"diffusers", AdapterFormat::kDiffusers},
          {"peft", AdapterFormat::kPeft},
          {"pt", AdapterFormat::kPt}};
}

void convert(const AdapterFile& adapter, const std::filesystem::path& output, AdapterFormat format,
             at::ScalarType dtype) {
  check_output(output, format, dtype);
  require_pairs(adapter, "converted");
  switch (format) {
    case AdapterFormat::kKohya:
      return export_adapter(adapter, output, {.naming = ExportNaming::kKohya, .dtype = dtype});
    case AdapterFormat::kDiffusers:
      return export_adapter(adapter, output, {.naming = ExportNaming::kDiffusers, .dtype = dtype});
    case AdapterFormat::kPeft:
      require_all_dora_or_none(adapter);
      return write_peft_folder(adapter, output, dtype);
    case AdapterFormat::kPt:
      return write_ours(adapter, output);
  }
}

}  // namespace sdlora::lora
