#include "trainer/run/loaded_run.h"

#include <cstdlib>

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string refusal_of(const TinyRun& run) {
  return error_of([&] { run.load(); });
}

TEST(LoadedRun, RefusesADirectoryThatIsNotThereAndNamesItsOption) {
  TinyRun run;
  const std::filesystem::path data = run.config.places.data, absent = run.folder / "absent";
  run.config.places.data = absent;
  EXPECT_THAT(refusal_of(run), AllOf(StartsWith("64 "), HasSubstr(absent.string()), HasSubstr(" --data")));
  run.config.places.data = data;
  run.config.validation.data = absent;
  EXPECT_THAT(refusal_of(run),
              AllOf(StartsWith("64 "), HasSubstr(absent.string()), HasSubstr(" --validation-data")));
}

TEST(LoadedRun, TakesNoOtherImageSizeThanTheDataSets) {
  for (const char* size : {"0", "64"}) EXPECT_NO_THROW(TinyRun({"--img-size", size}).load()) << size;
  const TinyRun run({"--img-size", "128"});
  EXPECT_THAT(refusal_of(run), AllOf(StartsWith("64 "), HasSubstr("64² pixels"), HasSubstr("--img-size 128"),
                                     HasSubstr(run.config.places.data.string())));
}

TEST(LoadedRun, RefusesDataWithLatentsOrTextEmbeddingsOfAnotherModel) {
  EXPECT_THAT(refusal_of(TinyRun({}, {.text_width = 32})),
              AllOf(StartsWith("65 "), HasSubstr("4 latent channels and text embeddings 64 wide"),
                    HasSubstr("4 latent channels and text embeddings 32 wide")));
  EXPECT_THAT(refusal_of(TinyRun({}, {.latent_channels = 3})),
              AllOf(StartsWith("65 "), HasSubstr("4 latent channels and text embeddings 64 wide"),
                    HasSubstr("3 latent channels and text embeddings 64 wide")));
}

TEST(LoadedRun, RefusesValidationDataOfAnotherModelToo) {
  TinyRun run;
  run.config.validation.data = run.folder / "other";
  write_tiny_cache(run.config.validation.data, {.text_width = 32});
  EXPECT_THAT(refusal_of(run), AllOf(StartsWith("65 "), HasSubstr(run.config.validation.data.string())));
}

TEST(LoadedRun, ValidatesOnWhatItHoldsOutAndOnlyWhenAsked) {
  const LoadedRun never = TinyRun({"--validation-split", "0.4"}).load();
  EXPECT_FALSE(never.validation);
  EXPECT_EQ(never.split.training.size(), 3u) << "or --validation-every would change the training";
  const LoadedRun loaded = TinyRun({"--validation-split", "0.4", "--validation-every", "5"}).load();
  ASSERT_TRUE(loaded.validation);
  EXPECT_EQ(loaded.validation->sample_count(), 2);
}

TEST(LoadedRun, ValidatesOnAllOfAnotherDataSetAndTrainsOnAllOfItsOwn) {
  TinyRun run({"--validation-every", "5", "--validation-data", "later"});
  run.config.validation.data = run.folder / "other";
  write_tiny_cache(run.config.validation.data, {.flip = true});
  const LoadedRun loaded = run.load();
  EXPECT_EQ(loaded.validation->sample_count(), 2 * kTinySampleCount);
  EXPECT_EQ(loaded.split.training.size(), static_cast<size_t>(kTinySampleCount));
}

class CachedData : public testing::Test {
 protected:
  std::string refusal_with(const model::ModelSource& model, const TinyCache& cache) const {
    write_tiny_cache(folder_ / "cache", cache);
    return error_of(
        [&] { check_data_was_cached_with(model, data::Dataset(folder_ / "cache"), folder_ / "cache"); });
  }

  TemporaryFolder folder_;
  const model::ModelSource model_{std::getenv("SDLORA_TINY_MODEL")};
  const std::string vae_hash_ = model_.hash_of(model::ModelPart::kVae);
  const std::string text_encoder_hash_ = model_.hash_of(model::ModelPart::kTextEncoder);
};

TEST_F(CachedData, MustComeFromTheModelsOwnVaeAndTextEncoder) {
  const std::string other(64, 'e'), nothing = "nothing was thrown";
  const auto names_both = [&](const std::string& part, const std::string& own) {
    return AllOf(StartsWith("65 "), HasSubstr("another " + part), HasSubstr(own + ", the model's"),
                 HasSubstr(other + ", the data set's"), HasSubstr((folder_ / "cache").string()),
                 HasSubstr("--model"));
  };
  EXPECT_EQ(refusal_with(model_, {.vae_sha256 = vae_hash_, .text_encoder_sha256 = text_encoder_hash_}),
            nothing);
  EXPECT_THAT(refusal_with(model_, {.vae_sha256 = other, .text_encoder_sha256 = text_encoder_hash_}),
              names_both("vae", vae_hash_));
  EXPECT_THAT(refusal_with(model_, {.vae_sha256 = vae_hash_, .text_encoder_sha256 = other}),
              names_both("text_encoder", text_encoder_hash_));
}

TEST_F(CachedData, IsNotComparedWithPartsThatTheModelHasNot) {
  const std::filesystem::path whole = std::filesystem::absolute(std::getenv("SDLORA_TINY_MODEL"));
  std::filesystem::create_directory(folder_ / "model");
  std::filesystem::create_directory_symlink(whole / "unet", folder_ / "model/unet");
  EXPECT_EQ(refusal_with(model::ModelSource(folder_ / "model"), {}), "nothing was thrown");
}

}  // namespace
}  // namespace sdlora::trainer
