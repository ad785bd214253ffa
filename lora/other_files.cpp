#include "lora/other_files.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "common/error.h"

namespace sdlora::lora {
namespace {

using Names = std::set<std::string>;

bool any_begins(const Names& names, std::string_view prefix) {
  const auto first = names.lower_bound(std::string(prefix));
  return first != names.end() && first->starts_with(prefix);
}

struct OtherFile {
  const char* what;
  const char* advice;
  bool (*is_it)(const Names& names);
};

constexpr std::array kOtherFiles{
    OtherFile{
        "a whole model", "give it to --model",
        [](const Names& names) { return names.contains("model.diffusion_model.input_blocks.0.0.weight"); }},
    OtherFile{"a ControlNet", "there is no option for it",
              [](const Names& names) {
                return any_begins(names, "control_model.") || any_begins(names, "controlnet_") ||
                       any_begins(names, "input_hint_block.") || any_begins(names, "zero_convs.");
              }},
    OtherFile{"an IP-Adapter", "there is no option for it",
              [](const Names& names) {
                return any_begins(names, "ip_adapter.") || any_begins(names, "image_proj.");
              }},
    OtherFile{"a UNet", "give --model the model that it belongs to",
              [](const Names& names) {
                return names.contains("down_blocks.0.resnets.0.conv1.weight") ||
                       names.contains("input_blocks.0.0.weight");
              }},
    OtherFile{"a VAE", "give --model the model that it belongs to",
              [](const Names& names) {
                return any_begins(names, "first_stage_model.") || names.contains("decoder.conv_in.weight");
              }},
    OtherFile{"a text encoder", "give --model the model that it belongs to",
              [](const Names& names) {
                return names.contains("text_model.embeddings.token_embedding.weight") ||
                       names.contains("embeddings.token_embedding.weight");
              }},
    OtherFile{"an embedding (textual inversion)", "it is no adapter: it gives a word of the prompt a meaning",
              [](const Names& names) {
                return names.contains("emb_params") || names.contains("emp_params") ||
                       any_begins(names, "string_to_param") ||
                       (names.contains("clip_l") && names.contains("clip_g")) ||
                       (!names.empty() &&
                        std::all_of(names.begin(), names.end(), [](const std::string& name) {
                          return name.starts_with('<') && name.ends_with('>');
                        }));
              }},
};

struct FamilyMark {
  std::string_view text;
  const char* family;
};

constexpr std::array kFamilyMarks{
    FamilyMark{"double_blocks", "Flux"},
    FamilyMark{"single_transformer_blocks", "Flux"},
    FamilyMark{"single_blocks", "Flux"},
    FamilyMark{"joint_blocks", "Stable Diffusion 3"},
    FamilyMark{"joint_transformer_blocks", "Stable Diffusion 3"},
    FamilyMark{"lora_te2_", "Stable Diffusion XL"},
    FamilyMark{"text_encoder_2.", "Stable Diffusion XL"},
};

}  // namespace

void refuse_other_files(const std::filesystem::path& file, const std::set<std::string>& tensor_names) {
  for (const OtherFile& other : kOtherFiles)
    if (other.is_it(tensor_names))
      throw Error(ExitCode::kBadData, {.what = "the file is not an adapter",
                                       .expected = "an adapter (LoRA and its relatives)",
                                       .seen = other.what,
                                       .where = file.string(),
                                       .advice = other.advice});
}

std::string family_by_names(const std::set<std::string>& tensor_names) {
  for (const auto& [text, family] : kFamilyMarks)
    for (const std::string& name : tensor_names)
      if (name.find(text) != std::string::npos) return family;
  return "";
}

}  // namespace sdlora::lora
