#include <algorithm>
#include <cmath>
#include <ctime>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "common/json_text.h"
#include "common/option_values.h"
#include "common/shown_text.h"
#include "lora/tools/inspection.h"

namespace sdlora::lora {
namespace {

constexpr size_t kShownBytes = 160;
constexpr size_t kShownTags = 10;
constexpr size_t kShownNames = 5;
constexpr int kBarWidth = 40;
constexpr size_t kHashDigits = 12;  // that AUTOMATIC1111 shows

std::string said(const checkpoint::Metadata& metadata, const char* name) {
  const auto found = metadata.find(name);
  return found == metadata.end() || found->second == "None" ? "" : shown_line(found->second, kShownBytes);
}

// "NAME value, …" of those that are said.
std::string said_of(const checkpoint::Metadata& metadata,
                    const std::vector<std::pair<const char*, const char*>>& words_and_names) {
  std::vector<std::string> parts;
  for (const auto& [word, name] : words_and_names)
    if (const std::string text = said(metadata, name); !text.empty())
      parts.push_back(fmt::format("{} {}", word, text));
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string trainer_of(const Inspection& inspection) {
  const checkpoint::Metadata& metadata = inspection.file.metadata;
  if (const std::string version = said(metadata, "sdlora_version"); !version.empty())
    return "sdlora " + version;
  if (metadata.contains("ot_branch") || metadata.contains("ot_revision")) return "OneTrainer";
  const bool is_of_training =
      metadata.contains("ss_sd_scripts_commit_hash") || metadata.contains("ss_training_started_at");
  if (const std::string module = said(metadata, "ss_network_module"); !module.empty() && is_of_training)
    return module.starts_with("lycoris") ? "sd-scripts with LyCORIS (" + module + ")"
                                         : "sd-scripts (" + module + ")";
  if (metadata.contains("lora_adapter_metadata")) return "diffusers with PEFT";
  return inspection.naming.empty() ? "nothing says who"
                                   : "nothing says who; the names are those of " + inspection.naming;
}

std::string time_text(const std::string& seconds) {
  double value = 0;
  if (!read_value(seconds, value) || value < 0 || value > 1e11) return seconds;
  const auto time = static_cast<std::time_t>(value);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[sizeof "2026-02-16 08:07 UTC"];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", &parts);
  return text;
}

// The most frequent of ss_tag_frequency, over all folders.
std::string tags_of(const checkpoint::Metadata& metadata) {
  const auto found = metadata.find("ss_tag_frequency");
  if (found == metadata.end()) return "";
  std::map<std::string, int64_t> counts;
  try {
    const nlohmann::json folders = parse_json(found->second);
    for (const auto& folder : folders)
      for (const auto& [tag, count] : folder.get_ref<const nlohmann::json::object_t&>())
        counts[tag] = std::max(counts[tag], whole_number(count));
  } catch (const std::exception&) {
    return "ss_tag_frequency cannot be read";
  }
  std::vector<std::pair<std::string, int64_t>> tags(counts.begin(), counts.end());
  std::stable_sort(tags.begin(), tags.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::vector<std::string> shown;
  for (size_t i = 0; i < std::min(tags.size(), kShownTags); ++i)
    shown.push_back(fmt::format("{} {}", shown_line(tags[i].first, kShownBytes), tags[i].second));
  if (tags.size() > kShownTags) shown.push_back(fmt::format("{} others", tags.size() - kShownTags));
  return fmt::format("{}", fmt::join(shown, ", "));
}

std::string hash_text(const FileSurvey& file) {
  if (file.data_hash.empty()) return "";
  const std::string claimed = said(file.metadata, "sshs_model_hash");
  std::string text = file.data_hash;
  if (!claimed.empty() && claimed != file.data_hash)
    text += fmt::format("; the file says {}, which is not true", claimed);
  return text;
}

// What it is found by there, and whether it can be.
std::string automatic1111_text(const Inspection& inspection) {
  const FileSurvey& file = inspection.file;
  if (inspection.naming != "kohya" && inspection.naming != "sdlora" && !inspection.naming.empty())
    return "finds none of these names: adapter convert --format kohya";
  if (inspection.naming == "sdlora") return "reads other files: adapter convert --format kohya";
  const std::string name = said(file.metadata, "ss_output_name");
  std::string text = fmt::format("<lora:{}:1>", shown_line(file.file.stem().string(), kShownBytes));
  if (!name.empty()) text += fmt::format(", also by the name {}", name);
  const auto hash = file.metadata.find("sshs_model_hash");
  text += fmt::format("; hash {}",
                      (hash == file.metadata.end() ? file.data_hash : hash->second).substr(0, kHashDigits));
  return text;
}

std::string group_text(const ModuleGroup& group) {
  std::vector<std::string> kinds, ranks;
  for (const auto& [kind, count] : group.kinds) kinds.push_back(fmt::format("{} {}", count, kind));
  for (const auto& [rank_and_alpha, count] : group.rank_and_alpha)
    ranks.push_back(
        group.rank_and_alpha.size() == 1
            ? fmt::format("rank {}, alpha {:g}", rank_and_alpha.first, rank_and_alpha.second)
            : fmt::format("{} of rank {}, alpha {:g}", count, rank_and_alpha.first, rank_and_alpha.second));
  return fmt::format("{:<34} {}: {}", group.name, fmt::join(kinds, ", "), fmt::join(ranks, "; "));
}

std::string bar_of(double value, double greatest) {
  const double share = greatest > 0 ? value / greatest : 0;
  std::string bar;
  for (long i = 0; i < std::lround(share * kBarWidth); ++i) bar += "█";
  return bar;
}

class Lines {
 public:
  void add(const char* name, const std::string& text) {
    if (!text.empty()) text_ += fmt::format("  {:<16} {}\n", name, text);
  }

  void add_line(const std::string& line) { text_ += line + "\n"; }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string data_text(const checkpoint::Metadata& metadata) {
  return said_of(metadata, {{"pictures", "ss_num_train_images"},
                            {"regularisation pictures", "ss_num_reg_images"},
                            {"size", "ss_resolution"},
                            {"buckets", "ss_enable_bucket"}});
}

std::string training_text(const checkpoint::Metadata& metadata) {
  return said_of(metadata, {{"steps", "ss_steps"},
                            {"epochs", "ss_epoch"},
                            {"batch", "ss_total_batch_size"},
                            {"learning rate", "ss_learning_rate"},
                            {"of the text encoder", "ss_text_encoder_lr"},
                            {"schedule", "ss_lr_scheduler"},
                            {"optimiser", "ss_optimizer"},
                            {"clip skip", "ss_clip_skip"},
                            {"noise offset", "ss_noise_offset"},
                            {"min-SNR", "ss_min_snr_gamma"}});
}

void add_norms(Lines& lines, const Inspection& inspection) {
  double greatest = 0;
  for (const BlockNorm& norm : inspection.norms) greatest = std::max(greatest, norm.norm);
  if (!inspection.norms.empty())
    lines.add_line("  what it adds to the weights of each block (Frobenius norm)");
  for (const BlockNorm& norm : inspection.norms)
    lines.add_line(fmt::format("    {:<16} {:>4} modules {:>10.4g} {}", norm.block, norm.module_count,
                               norm.norm, bar_of(norm.norm, greatest)));
  if (inspection.norms_of_model_count > 0)
    lines.add_line(fmt::format("    of {} modules it depends on the model's own weights",
                               inspection.norms_of_model_count));
}

std::string nonfinite_text(const std::vector<std::string>& names) {
  if (names.empty()) return "none";
  const std::vector<std::string> first(
      names.begin(), names.begin() + static_cast<ptrdiff_t>(std::min(names.size(), kShownNames)));
  return fmt::format("in {} tensors: {}{}", names.size(), fmt::join(first, ", "),
                     names.size() > kShownNames ? ", …" : "");
}

}  // namespace

std::string to_text(const Inspection& inspection) {
  const FileSurvey& file = inspection.file;
  std::vector<std::string> types;
  for (const auto& [type, count] : file.types) types.push_back(fmt::format("{} {}", count, type));
  Lines lines;
  lines.add_line(file.file.string());
  lines.add("tensors", fmt::format("{} ({}), {:.1f} MiB", file.tensor_count, fmt::join(types, ", "),
                                   static_cast<double>(file.byte_count) / (1 << 20)));
  lines.add("names", inspection.naming);
  lines.add("for", inspection.family);
  lines.add("trained by", trainer_of(inspection));
  lines.add("on", said_of(file.metadata, {{"the model", "ss_sd_model_name"},
                                          {"version", "ss_base_model_version"},
                                          {"hash", "ss_new_sd_model_hash"}}));
  lines.add("data", data_text(file.metadata));
  lines.add("training", training_text(file.metadata));
  lines.add("begun", time_text(said(file.metadata, "ss_training_started_at")));
  lines.add("comment", said(file.metadata, "ss_training_comment"));
  lines.add("trigger words", said(file.metadata, "modelspec.trigger_phrase"));
  lines.add("frequent tags", tags_of(file.metadata));
  lines.add("hash (AutoV3)", hash_text(file));
  lines.add("AUTOMATIC1111", automatic1111_text(inspection));
  lines.add("NaN, infinity", nonfinite_text(file.nonfinite));
  for (const ModuleGroup& group : inspection.groups) lines.add_line("  " + group_text(group));
  add_norms(lines, inspection);
  lines.add("not read", describe(inspection.left_out));
  lines.add("cannot be used", inspection.refusal);
  return lines.text();
}

std::string to_json(const Inspection& inspection) {
  using nlohmann::ordered_json;
  const FileSurvey& file = inspection.file;
  ordered_json json{{"file", shown_line(file.file.string(), /*most_bytes=*/4096)},
                    {"tensors", file.tensor_count},
                    {"bytes", file.byte_count},
                    {"types", file.types},
                    {"naming", inspection.naming},
                    {"family", inspection.family},
                    {"trained_by", trainer_of(inspection)},
                    {"data_sha256", file.data_hash},
                    {"nonfinite", file.nonfinite},
                    {"left_out", inspection.left_out},
                    {"refusal", inspection.refusal},
                    {"groups", ordered_json::array()},
                    {"norms", ordered_json::array()},
                    {"norms_depending_on_the_model", inspection.norms_of_model_count},
                    {"metadata", file.metadata}};
  for (const ModuleGroup& group : inspection.groups) {
    ordered_json ranks = ordered_json::array();
    for (const auto& [rank_and_alpha, count] : group.rank_and_alpha)
      ranks.push_back({{"rank", rank_and_alpha.first}, {"alpha", rank_and_alpha.second}, {"modules", count}});
    json["groups"].push_back({{"name", group.name}, {"kinds", group.kinds}, {"ranks", ranks}});
  }
  for (const BlockNorm& norm : inspection.norms)
    json["norms"].push_back({{"block", norm.block}, {"modules", norm.module_count}, {"norm", norm.norm}});
  return json.dump(2, ' ', /*ensure_ascii=*/false, ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace sdlora::lora
