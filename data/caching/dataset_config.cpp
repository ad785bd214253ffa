#include "data/caching/dataset_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <string>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/toml_document.h"
#include "common/utf8.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

enum Place : unsigned { kGeneral = 1, kDataset = 2, kSubset = 4, kAbove = kGeneral | kDataset, kAll = 7 };

enum class Type { kBool, kInteger, kNumber, kText, kSize, kRange, kTable };

constexpr const char* kIsObeyed = "";
constexpr const char* kCacheIsMadeOnce = "latents are made once: every epoch sees the same pixels";

struct Key {
  const char* name;
  unsigned places;  // where kohya has it
  Type type;
  const char* reason;   // why it is refused; empty: it is obeyed
  const char* neutral;  // the value, as JSON, that changes nothing
};

constexpr std::array kKeys = {
    Key{"resolution", kAbove, Type::kSize, kIsObeyed, ""},
    Key{"batch_size", kAbove, Type::kInteger, kIsObeyed, ""},
    Key{"enable_bucket", kAbove, Type::kBool, kIsObeyed, ""},
    Key{"min_bucket_reso", kAbove, Type::kInteger, kIsObeyed, ""},
    Key{"max_bucket_reso", kAbove, Type::kInteger, kIsObeyed, ""},
    Key{"bucket_reso_steps", kAbove, Type::kInteger, kIsObeyed, ""},
    Key{"bucket_no_upscale", kAbove, Type::kBool, kIsObeyed, ""},
    Key{"network_multiplier", kAbove, Type::kNumber, "an adapter is trained at its full strength", "1.0"},
    Key{"validation_split", kAbove, Type::kNumber, "give trainer --validation-split", "0.0"},
    Key{"validation_seed", kAbove, Type::kInteger,
        "which pictures trainer --validation-split holds out follows from the data", ""},
    Key{"resize_interpolation", kAll, Type::kText,
        "pictures are made smaller by areas and larger by Lanczos, as without this key", ""},
    Key{"num_repeats", kAll, Type::kInteger, kIsObeyed, ""},
    Key{"shuffle_caption", kAll, Type::kBool, kIsObeyed, ""},
    Key{"caption_separator", kAll, Type::kText, kIsObeyed, ""},
    Key{"keep_tokens", kAll, Type::kInteger, kIsObeyed, ""},
    Key{"keep_tokens_separator", kAll, Type::kText, kIsObeyed, ""},
    Key{"secondary_separator", kAll, Type::kText, kIsObeyed, ""},
    Key{"enable_wildcard", kAll, Type::kBool, kIsObeyed, ""},
    Key{"caption_prefix", kAll, Type::kText, kIsObeyed, ""},
    Key{"caption_suffix", kAll, Type::kText, kIsObeyed, ""},
    Key{"caption_dropout_rate", kAll, Type::kNumber, kIsObeyed, ""},
    Key{"caption_tag_dropout_rate", kAll, Type::kNumber, kIsObeyed, ""},
    Key{"caption_dropout_every_n_epochs", kAll, Type::kInteger, kIsObeyed, ""},
    Key{"token_warmup_min", kAll, Type::kInteger, kIsObeyed, ""},
    Key{"token_warmup_step", kAll, Type::kNumber, kIsObeyed, ""},
    Key{"color_aug", kAll, Type::kBool, kCacheIsMadeOnce, "false"},
    Key{"flip_aug", kAll, Type::kBool, kIsObeyed, ""},
    Key{"random_crop", kAll, Type::kBool, kCacheIsMadeOnce, "false"},
    Key{"face_crop_aug_range", kAll, Type::kRange, kCacheIsMadeOnce, ""},
    Key{"custom_attributes", kAll, Type::kTable, "none of them is known", "{}"},
    Key{"caption_extension", kAll, Type::kText, kIsObeyed, ""},
    Key{"cache_info", kAll, Type::kBool, kIsObeyed,
        ""},  // there is nothing to speed up: sizes are in headers
    Key{"class_tokens", kAll, Type::kText, kIsObeyed, ""},
    Key{"image_dir", kSubset, Type::kText, kIsObeyed, ""},
    Key{"is_reg", kSubset, Type::kBool, kIsObeyed, ""},
    Key{"alpha_mask", kSubset, Type::kBool, kIsObeyed, ""},
    Key{"conditioning_data_dir", kSubset, Type::kText, kIsObeyed, ""},
    Key{"metadata_file", kSubset, Type::kText,
        "captions stand beside the pictures, or in metadata.jsonl (file_name, text) in image_dir", ""},
};

const char* words_for(Type type) {
  switch (type) {
    case Type::kBool:
      return "true or false";
    case Type::kInteger:
      return "a whole number";
    case Type::kNumber:
      return "a number";
    case Type::kText:
      return "a text";
    case Type::kSize:
      return "pixels along a side, or [width, height]";
    case Type::kRange:
      return "[least, greatest]";
    case Type::kTable:
      return "a table";
  }
  return "";
}

// An int64_t's.
bool is_whole(const Json& value) {
  return value.is_number_integer() && (!value.is_number_unsigned() || value.get<uint64_t>() <= INT64_MAX);
}

bool is_of(Type type, const Json& value) {
  const auto is_list_of_two = [&value] {
    return value.is_array() && value.size() == 2 && value[0].is_number() && value[1].is_number();
  };
  switch (type) {
    case Type::kBool:
      return value.is_boolean();
    case Type::kInteger:
      return is_whole(value);
    case Type::kNumber:
      return value.is_number();
    case Type::kText:
      return value.is_string();
    case Type::kSize:
      return is_whole(value) || (is_list_of_two() && is_whole(value[0]) && is_whole(value[1]));
    case Type::kRange:
      return is_list_of_two();
    case Type::kTable:
      return value.is_object();
  }
  return false;
}

// A table of the file with its name in messages, and those above it, where what it does not say may stand.
struct Table {
  const Json& values;
  std::string name;
  const Table* above;
};

class ConfigReader {
 public:
  ConfigReader(const fs::path& file, const PictureSubset& otherwise) : file_(file), otherwise_(otherwise) {}

  std::vector<PictureSubset> read(const std::string& text) {
    const Json document = parse_document(text, file_);
    if (!document.is_object()) fail("", "a table", document.dump());
    for (const auto& [name, value] : document.items())
      if (name != "general" && name != "datasets") fail(name, "[general] and [[datasets]]", "[" + name + "]");
    const Json nothing = Json::object();
    const Table general{document.contains("general") ? document["general"] : nothing, "[general]", nullptr};
    check(general, kGeneral, {});
    size_t number = 0;
    for (const Json& dataset : list_in(document, "datasets", "")) {
      const Table table{dataset, fmt::format("[[datasets]] {}", ++number), &general};
      check(table, kDataset, {"subsets"});
      add_dataset(table, number);
    }
    name_subsets();
    return std::move(subsets_);
  }

 private:
  [[noreturn]] void fail(const std::string& place, const std::string& expected, const std::string& seen,
                         const std::string& advice = "") const {
    throw Error(ExitCode::kUsage, {.what = "the data-set file cannot be used",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = place.empty() ? file_.string() : file_.string() + ", " + place,
                                   .advice = advice});
  }

  const Json& list_in(const Json& table, const char* key, const std::string& place) const {
    if (!table.contains(key) || !table[key].is_array() || table[key].empty())
      fail(place, fmt::format("one or more [[{}]]", place.empty() ? key : "datasets.subsets"), "none");
    return table[key];
  }

  // The keys of a table: known ones that belong there, of their types, none that is refused.
  void check(const Table& table, Place place, const std::set<std::string>& besides) const {
    if (!table.values.is_object()) fail(table.name, "a table", table.values.dump());
    for (const auto& [name, value] : table.values.items()) {
      if (besides.contains(name)) continue;
      const auto key = std::find_if(kKeys.begin(), kKeys.end(),
                                    [&known = name](const Key& one) { return one.name == known; });
      const std::string where = fmt::format("{}, {}", table.name, name);
      if (key == kKeys.end())
        fail(where, "a key of kohya's data-set files for SD 1.5", name, "check its spelling");
      if ((key->places & place) == 0) fail(where, "this key elsewhere", "it in " + table.name);
      if (!is_of(key->type, value)) fail(where, words_for(key->type), value.dump());
      const bool is_neutral = *key->neutral != '\0' && value == Json::parse(key->neutral);
      if (*key->reason != '\0' && !is_neutral)
        fail(where, *key->neutral == '\0' ? "none" : std::string(key->neutral), value.dump(), key->reason);
    }
  }

  // The nearest table's that has it.
  static const Json* find(const Table* table, const char* key) {
    for (; table != nullptr; table = table->above)
      if (table->values.contains(key)) return &table->values[key];
    return nullptr;
  }

  template <typename Value>
  static std::optional<Value> value_of(const Table& table, const char* key) {
    const Json* value = find(&table, key);
    return value == nullptr ? std::nullopt : std::optional(value->get<Value>());
  }

  int64_t whole_in(const Table& table, const char* key, int64_t least, int64_t most,
                   int64_t otherwise) const {
    const int64_t value = value_of<int64_t>(table, key).value_or(otherwise);
    if (value < least || value > most)
      fail(fmt::format("{}, {}", table.name, key), fmt::format("{} to {}", least, most),
           fmt::format("{}", value));
    return value;
  }

  std::optional<int64_t> count_in(const Table& table, const char* key) const {
    if (find(&table, key) == nullptr) return std::nullopt;
    return whole_in(table, key, 0, kMostCaptionTags, 0);
  }

  std::optional<double> share_in(const Table& table, const char* key) const {
    const std::optional<double> value = value_of<double>(table, key);
    if (value && !(*value >= 0 && *value <= 1))
      fail(fmt::format("{}, {}", table.name, key), "0 to 1", fmt::format("{}", *value));
    return value;
  }

  PictureSize size_in(const Table& table) const {
    const Json* value = find(&table, "resolution");
    if (value == nullptr) return otherwise_.size;
    const PictureSize size = value->is_array() ? PictureSize{.width = (*value)[0].get<int64_t>(),
                                                             .height = (*value)[1].get<int64_t>()}
                                               : square(value->get<int64_t>());
    if (size.width < 1 || size.height < 1 || size.width > kLargestImageSize ||
        size.height > kLargestImageSize)
      fail(table.name + ", resolution", fmt::format("1 to {} pixels", kLargestImageSize), value->dump());
    return size;
  }

  std::optional<BucketRules> buckets_in(const Table& table, const PictureSize& size) const {
    const bool is_wanted = value_of<bool>(table, "enable_bucket").value_or(otherwise_.buckets.has_value());
    if (!is_wanted) return std::nullopt;
    BucketRules rules = otherwise_.buckets.value_or(BucketRules());
    rules.least_side = value_of<int64_t>(table, "min_bucket_reso").value_or(rules.least_side);
    rules.greatest_side = value_of<int64_t>(table, "max_bucket_reso").value_or(rules.greatest_side);
    rules.step = value_of<int64_t>(table, "bucket_reso_steps").value_or(rules.step);
    rules.no_upscale = value_of<bool>(table, "bucket_no_upscale").value_or(rules.no_upscale);
    if (rules.no_upscale) {  // which has no shortest and no longest side, here and there
      rules.least_side = BucketRules().least_side;
      rules.greatest_side = BucketRules().greatest_side;
    }
    try {
      AspectBuckets(size, rules);
    } catch (const Error& flaw) {
      fail(table.name, "buckets that fit the resolution", flaw.what());
    }
    return rules;
  }

  CaptionOverrides captions_in(const Table& table) const {
    CaptionOverrides captions;
    captions.shuffle = value_of<bool>(table, "shuffle_caption");
    captions.separator = value_of<std::string>(table, "caption_separator");
    captions.keep_tokens_separator = value_of<std::string>(table, "keep_tokens_separator");
    captions.secondary_separator = value_of<std::string>(table, "secondary_separator");
    captions.wildcards = value_of<bool>(table, "enable_wildcard");
    captions.prefix = value_of<std::string>(table, "caption_prefix");
    captions.suffix = value_of<std::string>(table, "caption_suffix");
    captions.dropout = share_in(table, "caption_dropout_rate");
    captions.tag_dropout = share_in(table, "caption_tag_dropout_rate");
    captions.token_warmup_steps = value_of<double>(table, "token_warmup_step");
    captions.keep_tokens = count_in(table, "keep_tokens");
    captions.dropout_every_epochs = count_in(table, "caption_dropout_every_n_epochs");
    captions.token_warmup_min = count_in(table, "token_warmup_min");
    if (captions.token_warmup_steps &&
        !(*captions.token_warmup_steps >= 0 && *captions.token_warmup_steps <= kMostWarmupSteps))
      fail(table.name + ", token_warmup_step", "0 or more steps, or a share below 1",
           fmt::format("{}", *captions.token_warmup_steps));
    if (captions.separator && captions.separator->empty())
      fail(table.name + ", caption_separator", "what stands between the tags of a caption", "\"\"");
    return captions;
  }

  void add_dataset(const Table& dataset, size_t number) {
    const int64_t batch_size =
        find(&dataset, "batch_size") == nullptr ? 0 : whole_in(dataset, "batch_size", 1, 1'000'000, 1);
    for (const PictureSubset& other : subsets_)
      if (batch_size != 0 && other.batch_size != 0 && other.batch_size != batch_size)
        fail(dataset.name + ", batch_size", fmt::format("{}, as in another data set", other.batch_size),
             fmt::format("{}", batch_size), "a run has one batch size");
    std::set<std::string> folders;
    size_t place = 0;
    for (const Json& values : list_in(dataset.values, "subsets", dataset.name)) {
      const Table table{values, fmt::format("{}, [[datasets.subsets]] {}", dataset.name, ++place), &dataset};
      check(table, kSubset, {});
      PictureSubset subset = subset_of(table);
      subset.dataset = static_cast<int64_t>(number);
      subset.batch_size = batch_size;
      if (!folders.insert(fs::weakly_canonical(fs::absolute(subset.folder / "")).string()).second)
        fail(table.name + ", image_dir", "each folder once in a data set", subset.folder.string(),
             "give it num_repeats, or another data set");
      subsets_.push_back(std::move(subset));
    }
  }

  PictureSubset subset_of(const Table& table) const {
    PictureSubset subset = otherwise_;
    const std::optional<std::string> folder = value_of<std::string>(table, "image_dir");
    if (!folder) fail(table.name, "image_dir", "none");  // a relative one is from here, as kohya's is
    subset.folder = *folder;
    subset.looks_below = false;
    subset.entry.is_reg = value_of<bool>(table, "is_reg").value_or(false);
    if (subset.entry.is_reg) subset.captions.for_the_rest.reset();  // --training-caption is not for these
    subset.size = size_in(table);
    subset.buckets = buckets_in(table, subset.size);
    subset.repeats = whole_in(table, "num_repeats", 1, kMostRepeats, 1);
    subset.entry.captions = captions_in(table);
    subset.entry.is_flipped_by_chance = value_of<bool>(table, "flip_aug").value_or(false);
    if (const auto extension = value_of<std::string>(table, "caption_extension"))
      subset.captions.extensions = *extension;
    if (const auto words = value_of<std::string>(table, "class_tokens"))
      subset.captions.for_the_rest = *words;
    subset.captions.last_way = "or class_tokens in the data-set file";
    const auto mask_folder = value_of<std::string>(table, "conditioning_data_dir");
    const bool is_alpha =
        value_of<bool>(table, "alpha_mask").value_or(subset.mask == MaskKind::kAlpha && !mask_folder);
    if (mask_folder && is_alpha) fail(table.name, "one of alpha_mask and conditioning_data_dir", "both");
    if (is_alpha) subset.mask = MaskKind::kAlpha;
    if (!is_alpha && subset.mask == MaskKind::kAlpha) subset.mask = MaskKind::kNone;
    if (mask_folder) {
      subset.mask = MaskKind::kFile;
      subset.mask_folder = *mask_folder;
    }
    return subset;
  }

  // By their folders, and where that is not enough by resolution or number; a single one needs no name.
  void name_subsets() {
    if (subsets_.size() == 1 && !subsets_[0].entry.is_reg) return;
    const bool has_several_sizes =
        std::any_of(subsets_.begin(), subsets_.end(),
                    [&](const PictureSubset& subset) { return subset.size != subsets_[0].size; });
    std::set<std::string> names;
    for (PictureSubset& subset : subsets_) {
      const fs::path folder = subset.folder.lexically_normal();
      const std::string last = (folder.has_filename() ? folder : folder.parent_path()).filename().string();
      std::string name = (subset.entry.is_reg ? "reg:" : "") + valid_utf8(last);
      if (has_several_sizes) name += "@" + to_text(subset.size);
      const std::string without_number = name;
      for (int number = 2; !names.insert(name).second; ++number)
        name = fmt::format("{}#{}", without_number, number);
      subset.entry.name = name;
    }
  }

  const fs::path& file_;
  const PictureSubset& otherwise_;
  std::vector<PictureSubset> subsets_;
};

}  // namespace

std::vector<PictureSubset> parse_dataset_config(const std::string& text, const fs::path& file,
                                                const PictureSubset& otherwise) {
  return ConfigReader(file, otherwise).read(text);
}

}  // namespace sdlora::data
