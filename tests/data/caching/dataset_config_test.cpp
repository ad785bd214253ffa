#include "data/caching/dataset_config.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class DatasetConfigs : public testing::Test {
 protected:
  std::vector<PictureSubset> read(const std::string& text, const char* name = "set.toml") {
    PictureSubset otherwise;
    otherwise.size = square(512);
    otherwise.captions.for_the_rest = "of the command line";
    return parse_dataset_config(text, folder_ / name, otherwise);
  }

  std::string refusal(const std::string& text) {
    return message_of_error(ExitCode::kUsage, [&] { read(text); });
  }

  const TemporaryFolder folder_;
};

constexpr const char* kSet = R"(
[general]
shuffle_caption = true
keep_tokens = 2
num_repeats = 3

[[datasets]]
resolution = 768
batch_size = 4
keep_tokens = 1
enable_bucket = true
bucket_reso_steps = 128
flip_aug = true

  [[datasets.subsets]]
  image_dir = "a/dogs"
  class_tokens = "sks dog"
  shuffle_caption = false
  num_repeats = 10
  caption_extension = ".caption"

  [[datasets.subsets]]
  image_dir = "reg/dogs/"
  is_reg = true
  flip_aug = false
  caption_dropout_rate = 0.25

[[datasets]]
resolution = [512, 640]
batch_size = 4

  [[datasets.subsets]]
  image_dir = "a/dogs"
  alpha_mask = true
)";

TEST_F(DatasetConfigs, SayForEachSubsetWhatTheNearestTableSays) {
  const std::vector<PictureSubset> subsets = read(kSet);
  ASSERT_EQ(subsets.size(), 3u);
  for (const PictureSubset& subset : subsets) EXPECT_EQ(subset.batch_size, 4);
  const PictureSubset &dogs = subsets[0], &reg = subsets[1], &small = subsets[2];
  EXPECT_EQ(dogs.folder, "a/dogs");
  EXPECT_EQ(dogs.repeats, 10);
  EXPECT_EQ(dogs.size, square(768));
  EXPECT_EQ(dogs.buckets, (BucketRules{.step = 128}));
  EXPECT_EQ(dogs.captions.extensions, ".caption");
  EXPECT_EQ(dogs.captions.for_the_rest, "sks dog");
  EXPECT_TRUE(dogs.entry.is_flipped_by_chance);
  EXPECT_FALSE(dogs.looks_below);
  EXPECT_EQ(dogs.entry.captions.shuffle, false);
  EXPECT_EQ(dogs.entry.captions.keep_tokens, 1);
  EXPECT_EQ(dogs.entry.captions.dropout, std::nullopt);

  EXPECT_TRUE(reg.entry.is_reg);
  EXPECT_EQ(reg.repeats, 3);
  EXPECT_FALSE(reg.entry.is_flipped_by_chance);
  EXPECT_EQ(reg.entry.captions.shuffle, true);
  EXPECT_EQ(reg.entry.captions.dropout, 0.25);
  EXPECT_EQ(reg.captions.for_the_rest, std::nullopt) << "the common caption is not for these";
  EXPECT_EQ(small.captions.for_the_rest, "of the command line");
  EXPECT_EQ(reg.dataset, dogs.dataset);

  EXPECT_EQ(small.size, (PictureSize{.width = 512, .height = 640}));
  EXPECT_EQ(small.buckets, std::nullopt);
  EXPECT_EQ(small.mask, MaskKind::kAlpha);
  EXPECT_EQ(small.entry.captions.keep_tokens, 2);
  EXPECT_NE(small.dataset, dogs.dataset);
}

TEST_F(DatasetConfigs, NameSubsetsByFolderAndResolution) {
  std::vector<std::string> names;
  for (const PictureSubset& subset : read(kSet)) names.push_back(subset.entry.name);
  EXPECT_THAT(names, ElementsAre("dogs@768x768", "reg:dogs@768x768", "dogs@512x640"));
  const std::vector<PictureSubset> two = read(R"(
[[datasets]]
subsets = [{image_dir = "a/x"}, {image_dir = "b/x"}, {image_dir = "."}])");
  EXPECT_EQ(two[0].entry.name, "x");
  EXPECT_EQ(two[1].entry.name, "x#2");
  EXPECT_EQ(read("[[datasets]]\nsubsets = [{image_dir = \"a\"}]").at(0).entry.name, "");
}

TEST_F(DatasetConfigs, MayBeJson) {
  const std::vector<PictureSubset> subsets =
      read(R"({"general": {"flip_aug": true}, "datasets": [{"subsets": [{"image_dir": "x"}]}]})", "set.json");
  EXPECT_TRUE(subsets.at(0).entry.is_flipped_by_chance);
  EXPECT_THAT(message_of_error(ExitCode::kUsage, [&] { read("{", "set.json"); }), HasSubstr("not JSON"));
}

TEST_F(DatasetConfigs, RefuseByNameWhatIsNotObeyed) {
  const auto with = [](const std::string& line) {
    return "[general]\n" + line + "\n[[datasets]]\nsubsets = [{image_dir = \"x\"}]\n";
  };
  for (const auto& [line, words] : std::vector<std::pair<std::string, std::string>>{
           {"color_aug = true", "latents are made once"},
           {"random_crop = true", "latents are made once"},
           {"face_crop_aug_range = [1.0, 2.0]", "latents are made once"},
           {"resize_interpolation = \"box\"", "smaller by areas"},
           {"network_multiplier = 0.5", "at its full strength"},
           {"validation_split = 0.1", "--validation-split"},
           {"custom_attributes = {a = 1}", "none of them is known"},
           {"shufle_caption = true", "check its spelling"},
           {"shuffle_caption = 1", "true or false"},
           {"resolution = [512]", "[width, height]"},
           {"resolution = 0", "1 to 4096"},
           {"num_repeats = 0", "1 to 1000"},
           {"caption_dropout_rate = 1.5", "0 to 1"},
           {"image_dir = \"x\"", "elsewhere"},
           {"enable_bucket = true\nmin_bucket_reso = 1024", "buckets that fit"}}) {
    const std::string refused = refusal(with(line));
    EXPECT_THAT(refused, HasSubstr(words)) << line;
    EXPECT_THAT(refused, HasSubstr("set.toml")) << line;
  }
  for (const char* harmless : {"color_aug = false", "random_crop = false", "network_multiplier = 1",
                               "validation_split = 0.0", "custom_attributes = {}", "cache_info = true"})
    EXPECT_NO_THROW(read(with(harmless))) << harmless;
  EXPECT_THAT(refusal("[[datasets]]\nsubsets = [{image_dir = \"x\", metadata_file = \"y.json\"}]"),
              HasSubstr("metadata.jsonl"));
}

TEST_F(DatasetConfigs, RefuseFilesThatAreNone) {
  for (const auto& [text, words] : std::vector<std::pair<std::string, std::string>>{
           {"", "one or more [[datasets]]"},
           {"[[datasets]]\nresolution = 512", "one or more [[datasets.subsets]]"},
           {"[[datasets]]\nsubsets = [{num_repeats = 2}]", "image_dir"},
           {"[[datasets]]\nsubsets = [{image_dir = \"x\"}, {image_dir = \"./x/\"}]", "each folder once"},
           {"[[datasets]]\nsubsets = [3]", "a table"},
           {"datasets = 3", "[[datasets]]"},
           {"[other]\na = 1", "[other]"},
           {"[[datasets]]\nbatch_size = 1\nsubsets = [{image_dir = \"x\"}]\n[[datasets]]\nbatch_size = 2\n"
            "subsets = [{image_dir = \"x\"}]",
            "one batch size"},
           {"[[datasets]\n", "not TOML"},
           {"[= 1]\n", "not TOML"}})
    EXPECT_THAT(refusal(text), HasSubstr(words)) << text;
}

}  // namespace
}  // namespace sdlora::data
