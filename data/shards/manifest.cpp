#include "data/shards/manifest.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "data/images/folder_repeats.h"
#include "data/images/image_header.h"
#include "data/shards/cache_precision.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using OrderedJson = nlohmann::ordered_json;

constexpr uintmax_t kMostManifestBytes = uintmax_t{256} << 20;

[[noreturn]] void fail(const fs::path& file, const std::string& what, const std::string& expected,
                       const std::string& seen) {
  throw Error(
      ExitCode::kBadData,
      {.what = what,
       .expected = expected,
       .seen = seen,
       .where = file.string(),
       .advice = "run cache_latents with the same options again: it makes or repairs what is missing"});
}

[[noreturn]] void fail_for_newer_format(const fs::path& file, int64_t version) {
  throw Error(ExitCode::kBadData,
              {.what = "this cache was written by a newer version",
               .expected = fmt::format("format version {}", kFormatVersion),
               .seen = fmt::format("format version {}", version),
               .where = file.string(),
               .advice = "use the program that made it, or make the cache anew elsewhere"});
}

bool is_of_format_2(const ManifestFile& file) {
  return file.picture_size != PictureSize();
}

OrderedJson to_json(const ManifestFile& file, const char* row_name) {
  OrderedJson json = {
      {"name", file.name}, {"bytes", file.bytes}, {"sha256", file.sha256}, {row_name, file.row_count}};
  if (is_of_format_2(file)) {
    json["width"] = file.picture_size.width;
    json["height"] = file.picture_size.height;
  }
  if (file.repeats != 0) json["repeats"] = file.repeats;
  return json;
}

PictureSize checked_size(int64_t width, int64_t height, const OrderedJson& json) {
  if (width < 1 || height < 1 || width > kMaxSidePixels || height > kMaxSidePixels)
    throw OrderedJson::other_error::create(501, "an impossible size of pictures", &json);
  return {.width = width, .height = height};
}

// at() and get() throw OrderedJson::exception, which the caller turns into an Error.
ManifestFile file_from(const OrderedJson& json, const char* row_name) {
  ManifestFile file{.name = json.at("name").get<std::string>(),
                    .bytes = whole_number(json.at("bytes")),
                    .sha256 = json.at("sha256").get<std::string>(),
                    .row_count = whole_number(json.at(row_name))};
  if (file.name.empty() || file.name.starts_with('.') || file.name.find('/') != std::string::npos)
    throw OrderedJson::other_error::create(501, "a file name that leaves the folder: " + file.name, &json);
  if (file.bytes < 1 || file.row_count < 1)
    throw OrderedJson::other_error::create(501, "an empty file: " + file.name, &json);
  if (file.row_count > file.bytes || file.row_count > INT32_MAX)  // so that no sum overflows
    throw OrderedJson::other_error::create(501, "more rows than bytes: " + file.name, &json);
  if (json.contains("width"))
    file.picture_size = checked_size(whole_number(json.at("width")), whole_number(json.at("height")), json);
  if (json.contains("repeats")) file.repeats = whole_number(json.at("repeats"));
  if (file.repeats != 0 && (file.repeats < file.row_count || file.repeats > file.row_count * kMostRepeats))
    throw OrderedJson::other_error::create(501, "impossible repeats: " + file.name, &json);
  return file;
}

Manifest manifest_from(const OrderedJson& json) {
  Manifest manifest;
  CacheSettings& settings = manifest.settings;
  const bool is_square = !json.contains("image_width");
  settings.picture_size =
      checked_size(whole_number(json.at(is_square ? "image_size" : "image_width")),
                   whole_number(json.at(is_square ? "image_size" : "image_height")), json);
  settings.buckets = buckets_in(json);
  settings.mask = mask_kind_in(json);
  settings.reading = reading_in(json);
  settings.subsets = subsets_in(json);
  settings.flip = json.at("flip").get<bool>();
  if (settings.flips_by_chance() && !settings.flip)
    throw OrderedJson::other_error::create(501, "flips by chance without mirror images", &json);
  settings.shard_size = whole_number(json.at("shard_size"));
  settings.vae_scaling_factor = json.at("vae_scaling_factor").get<double>();
  settings.vae_sha256 = json.at("vae_sha256").get<std::string>();
  settings.text_encoder_sha256 = json.at("text_encoder_sha256").get<std::string>();
  settings.tokenizer_sha256 = json.at("tokenizer_sha256").get<std::string>();
  settings.mixed_precision = precision_in(json);
  for (const OrderedJson& file : json.at("shards")) manifest.shards.push_back(file_from(file, "samples"));
  manifest.text = file_from(json.at("text"), "captions");
  for (const OrderedJson& image : json.at("skipped"))
    manifest.skipped.push_back(
        {image.at("source").get<std::string>(), image.at("reason").get<std::string>()});
  manifest.report = report_in(json);
  if (manifest.shards.empty()) throw OrderedJson::other_error::create(501, "no shards", &json);
  if (whole_number(json.at("sample_count")) != manifest.picture_count())
    throw OrderedJson::other_error::create(501, "sample_count is not the sum over the shards", &json);
  if (whole_number(json.at("format_version")) != manifest.format_version())
    throw OrderedJson::other_error::create(501, "a format_version that is not its content's", &json);
  return manifest;
}

std::string text_of(const OrderedJson& json) {
  return json.dump(1) + "\n";
}

}  // namespace

bool CacheSettings::has_several_sizes() const {
  return buckets || std::any_of(subsets.begin(), subsets.end(),
                                [](const CacheSubset& subset) { return subset.size.has_value(); });
}

bool CacheSettings::flips_by_chance() const {
  return std::any_of(subsets.begin(), subsets.end(), std::mem_fn(&CacheSubset::is_flipped_by_chance));
}

bool CacheSettings::are_plain() const {
  return !buckets && mask == MaskKind::kNone && reading == model::ClipReading() &&
         subsets == std::vector{CacheSubset()};
}

int64_t Manifest::picture_count() const {
  int64_t count = 0;
  for (const ManifestFile& shard : shards) count += shard.row_count;
  return count;
}

int64_t Manifest::repeated_count() const {
  int64_t count = 0;
  for (const ManifestFile& shard : shards) count += shard.repeats == 0 ? shard.row_count : shard.repeats;
  return count;
}

int64_t Manifest::format_version() const {
  const bool is_plain = settings.are_plain() && std::none_of(shards.begin(), shards.end(), is_of_format_2);
  return is_plain ? kPlainFormatVersion : kFormatVersion;
}

std::string to_json_text(const Manifest& manifest) {
  const CacheSettings& settings = manifest.settings;
  OrderedJson json = {{"format", "sdlora latent cache"},
                      {"format_version", manifest.format_version()},
                      {"sample_count", manifest.picture_count()}};
  add_picture_size(json, settings.picture_size);
  json["flip"] = settings.flip;
  json["shard_size"] = settings.shard_size;
  json["vae_scaling_factor"] = settings.vae_scaling_factor;
  json["vae_sha256"] = settings.vae_sha256;
  json["text_encoder_sha256"] = settings.text_encoder_sha256;
  json["tokenizer_sha256"] = settings.tokenizer_sha256;
  add_precision(json, settings.mixed_precision);
  add_buckets(json, settings.buckets);
  add_mask_kind(json, settings.mask);
  add_reading(json, settings.reading);
  add_subsets(json, settings.subsets);
  json["shards"] = OrderedJson::array();
  for (const ManifestFile& shard : manifest.shards) json["shards"].push_back(to_json(shard, "samples"));
  json["text"] = to_json(manifest.text, "captions");
  json["skipped"] = OrderedJson::array();
  for (const SkippedImage& image : manifest.skipped)
    json["skipped"].push_back({{"source", image.source}, {"reason", image.reason}});
  add_report(json, manifest.report);
  return text_of(json);
}

std::string sha256_without_report(const fs::path& cache_directory) {
  const std::string text = read_text(cache_directory / kManifestName);
  auto json = parse_json_or_discard<OrderedJson>(text);
  if (!json.is_object() || json.erase(kReportName) == 0) return checkpoint::sha256_of(text);
  return checkpoint::sha256_of(text_of(json));
}

Manifest read_manifest(const fs::path& cache_directory) {
  const fs::path file = cache_directory / kManifestName;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(file, error);
  if (error)
    fail(file, "this is not a finished cache", "manifest.json, which cache_latents writes last",
         error.message());
  if (bytes > kMostManifestBytes)
    fail(file, "the manifest is damaged", "less than 256 MiB", fmt::format("{}", bytes));
  const OrderedJson json = parse_json_or_discard<OrderedJson>(read_text(file));
  if (!json.is_object()) fail(file, "the manifest is damaged", "a JSON object", "something else");
  try {
    const auto version = whole_number(json.at("format_version"));
    if (version > kFormatVersion) fail_for_newer_format(file, version);
    if (version < kPlainFormatVersion)
      fail(file, "this cache was written by another version",
           fmt::format("format version 1 … {}", kFormatVersion), fmt::format("format version {}", version));
    return manifest_from(json);
  } catch (const OrderedJson::exception& flaw) {
    fail(file, "the manifest is damaged", "", flaw.what());
  }
}

ManifestFile describe_file(const fs::path& file, int64_t row_count,
                           const std::function<void()>& between_pieces) {
  std::string sha256 =
      checkpoint::sha256_of_file(file, between_pieces);  // first: it says best why a file cannot be read
  return {.name = file.filename().string(),
          .bytes = static_cast<int64_t>(fs::file_size(file)),
          .sha256 = std::move(sha256),
          .row_count = row_count};
}

void check_file(const fs::path& cache_directory, const ManifestFile& file,
                const std::function<void()>& between_pieces) {
  const fs::path path = cache_directory / file.name;
  std::error_code error;
  const uintmax_t bytes = fs::file_size(path, error);
  if (error) fail(path, "a file of the cache is missing", "a file", error.message());
  if (bytes != static_cast<uintmax_t>(file.bytes))
    fail(path, "a file of the cache is damaged", fmt::format("{} bytes", file.bytes),
         fmt::format("{} bytes", bytes));
  const std::string sha256 = checkpoint::sha256_of_file(path, between_pieces);
  if (sha256 != file.sha256)
    fail(path, "a file of the cache is damaged", "SHA-256 " + file.sha256, "SHA-256 " + sha256);
}

}  // namespace sdlora::data
