#include "data/shards/manifest.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "tests/data/example_cache.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

std::string refusal_of_manifest(const std::string& manifest_text) {
  const TemporaryFolder folder;
  write_bytes(folder / kManifestName, manifest_text);
  const std::string message = message_of_error(ExitCode::kBadData, [&] { read_manifest(folder.path()); });
  EXPECT_THAT(message, HasSubstr("manifest.json")) << manifest_text;
  return message;
}

class ManifestText : public testing::Test {
 protected:
  const TemporaryFolder folder_;
  const Manifest manifest_ = write_example_cache(folder_.path());
  Json json_ = Json::parse(to_json_text(manifest_));
};

TEST_F(ManifestText, ReadsBackEqual) {
  EXPECT_EQ(read_manifest(folder_.path()), manifest_);
  EXPECT_EQ(manifest_.picture_count(), 5);
}

TEST_F(ManifestText, EveryMissingMemberIsNamed) {
  for (const auto& [key, value] : json_.items()) {
    if (key == "format") continue;  // for people
    Json without = json_;
    without.erase(key);
    EXPECT_THAT(refusal_of_manifest(without.dump()), HasSubstr(key));
  }
}

TEST_F(ManifestText, EveryMemberOfAnotherTypeIsRefused) {
  for (const auto& [key, value] : json_.items()) {
    if (key == "format") continue;
    for (const Json& other : {Json(nullptr), Json({{"a", 1}}), Json("text")}) {
      if (other.type() == value.type()) continue;
      Json changed = json_;
      changed[key] = other;
      if (key == "skipped" && other.is_null()) continue;  // null is an empty list
      refusal_of_manifest(changed.dump());
    }
  }
}

TEST_F(ManifestText, NamesTheTypeThatModelsComputedInWhereItWasNotFp32) {
  EXPECT_FALSE(json_.contains("mixed_precision"));
  json_["mixed_precision"] = "bf16";
  write_bytes(folder_ / kManifestName, json_.dump());
  const Manifest read = read_manifest(folder_.path());
  EXPECT_EQ(read.settings.mixed_precision, model::MixedPrecision::kBf16);
  EXPECT_EQ(Json::parse(to_json_text(read)), json_);
  for (const Json& other : {Json("fp8"), Json(16), Json(nullptr)}) {
    json_["mixed_precision"] = other;
    EXPECT_THAT(refusal_of_manifest(json_.dump()), HasSubstr(other.is_string() ? "fp8" : "string"));
  }
}

TEST_F(ManifestText, KeepsAReportWithoutPartInItsIdentity) {
  write_bytes(folder_ / kManifestName, to_json_text(manifest_));
  const std::string before = sha256_without_report(folder_.path());
  EXPECT_EQ(before, checkpoint::sha256_of(to_json_text(manifest_)));
  Manifest with_report = manifest_;
  with_report.report = DataReport{.empty_count = 1,
                                  .shared_count = 2,
                                  .cut_count = 3,
                                  .cut = {{"a b", "b"}},
                                  .lost_lines = {"list: lost.png"},
                                  .lost_line_count = 9,
                                  .tags = {{"fox", 4}},
                                  .copies = {{"a", "b"}},
                                  .copy_count = 1};
  write_bytes(folder_ / kManifestName, to_json_text(with_report));
  EXPECT_EQ(read_manifest(folder_.path()), with_report);
  EXPECT_EQ(sha256_without_report(folder_.path()), before);
  // Of another version, or damaged: no training depends on it.
  std::string text = to_json_text(with_report);
  text.replace(text.find("\"tags\""), 6, "\"gats\"");
  write_bytes(folder_ / kManifestName, text);
  EXPECT_EQ(read_manifest(folder_.path()), manifest_);
  EXPECT_EQ(sha256_without_report(folder_.path()), before);
}

TEST_F(ManifestText, CutOffAnywhereItIsRefused) {
  const std::string text = to_json_text(manifest_);
  for (size_t bytes = 0; bytes + 2 < text.size(); ++bytes) refusal_of_manifest(text.substr(0, bytes));
}

TEST_F(ManifestText, FileNamesThatLeaveTheFolderAreRefused) {
  for (const char* name : {"../shard-00000.h5", "/etc/passwd", "a/b.h5", "", ".."}) {
    Json changed = json_;
    changed["shards"][0]["name"] = name;
    EXPECT_THAT(refusal_of_manifest(changed.dump()), HasSubstr("file"));
  }
}

TEST(ManifestOfBuckets, ReadsBackEqual) {
  const TemporaryFolder folder;
  const Manifest manifest = write_example_bucket_cache(folder.path());
  EXPECT_EQ(read_manifest(folder.path()), manifest);
  EXPECT_EQ(manifest.format_version(), 2);
  EXPECT_EQ(manifest.picture_count(), 7);
  EXPECT_EQ(manifest.repeated_count(), 9);
}

TEST(ManifestOfBuckets, OfImpossibleSizesAndRepeatsIsRefused) {
  const TemporaryFolder folder;
  const Json json = Json::parse(to_json_text(write_example_bucket_cache(folder.path())));
  for (const char* key : {"width", "height"})
    for (const Json& value : {Json(0), Json(-64), Json(1 << 20), Json("64")}) {
      Json changed = json;
      changed["shards"][2][key] = value;
      refusal_of_manifest(changed.dump());
    }
  for (const Json& value : {Json(1), Json(2001), Json(-4), Json("4")}) {
    Json changed = json;
    changed["shards"][2]["repeats"] = value;
    refusal_of_manifest(changed.dump());
  }
  for (const char* key : {"least_side", "greatest_side", "step", "no_upscale"}) {
    Json changed = json;
    changed["buckets"].erase(key);
    EXPECT_THAT(refusal_of_manifest(changed.dump()), HasSubstr(key));
  }
}

TEST_F(ManifestText, AnotherFormatVersionIsNamed) {
  json_["format_version"] = 3;
  EXPECT_THAT(refusal_of_manifest(json_.dump()), HasSubstr("format version 3"));
  json_["format_version"] = 2;  // of which it has nothing
  EXPECT_THAT(refusal_of_manifest(json_.dump()), HasSubstr("format_version"));
}

TEST_F(ManifestText, CountsThatContradictEachOtherAreRefused) {
  json_["sample_count"] = 6;
  EXPECT_THAT(refusal_of_manifest(json_.dump()), HasSubstr("sample_count"));
}

}  // namespace
}  // namespace sdlora::data
