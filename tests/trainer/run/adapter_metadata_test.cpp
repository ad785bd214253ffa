#include "trainer/run/adapter_metadata.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::HasSubstr;
using testing::Key;
using testing::Not;
using testing::Pair;

checkpoint::Metadata metadata_with(const std::vector<std::string>& options, const TinyCache& cache = {},
                                   int64_t step = 3) {
  const TinyRun run(options, cache);
  const LoadedRun loaded = run.load();
  return AdapterMetadata(run.config, loaded, "0123").after(step);
}

TEST(AdapterMetadata, SaysHowItWasTrainedInKohyasWords) {
  const checkpoint::Metadata metadata = metadata_with(
      {"--learning-rate", "1e-4", "--max-steps", "20", "--min-snr-gamma", "5", "--output-name", "ink",
       "--loss", "huber", "--warmup-steps", "0.1", "--seed", "18446744073709551615", "--train-text-encoder"});
  for (const auto& [name, text] : std::map<std::string, std::string>{
           {"ss_output_name", "ink"},
           {"ss_learning_rate", "0.0001"},
           {"ss_text_encoder_lr", "0.0001"},
           {"ss_lr_scheduler", "cosine"},
           {"ss_lr_warmup_steps", "2"},
           {"ss_optimizer", "adamw(weight_decay=0.01,betas=(0.9, 0.999),eps=1e-08)"},
           {"ss_seed", "18446744073709551615"},
           {"ss_steps", "3"},
           {"ss_epoch", "2"},
           {"ss_num_epochs", "16"},
           {"ss_num_train_images", "5"},
           {"ss_num_batches_per_epoch", "2"},
           {"ss_total_batch_size", "4"},
           {"ss_min_snr_gamma", "5.0"},
           {"ss_loss_type", "huber"},
           {"ss_huber_schedule", "snr"},
           {"ss_noise_offset", "None"},
           {"ss_v2", "False"},
           {"ss_base_model_version", "sd_v1"},
           {"ss_clip_skip", "None"},
           {"ss_resolution", "(64, 64)"},
           {"ss_mixed_precision", "no"},
           {"modelspec.architecture", "stable-diffusion-v1/lora"},
           {"modelspec.resolution", "64x64"},
           {"modelspec.prediction_type", "epsilon"},
           {"modelspec.title", "ink"},
           {"sdlora_base_model_sha256", "0123"},
       })
    EXPECT_THAT(metadata, Contains(Pair(name, text)));
  EXPECT_THAT(json::parse(metadata.at("sdlora_settings")), Contains("1e-4"));
  EXPECT_THAT(metadata.at("sdlora_settings"), Not(HasSubstr("/")));  // no paths
}

TEST(AdapterMetadata, HasTheDataAsAutomatic1111ReadsThem) {
  const checkpoint::Metadata metadata = metadata_with({});
  EXPECT_EQ(metadata.at("ss_dataset_dirs"), R"({"cache":{"n_repeats":1,"img_count":5}})");
  EXPECT_EQ(metadata.at("ss_bucket_info"), R"({"buckets":{"0":{"resolution":[64,64],"count":5}}})");
  const json tags = json::parse(metadata.at("ss_tag_frequency"));
  ASSERT_TRUE(tags.contains("cache")) << tags;
  EXPECT_FALSE(metadata.contains("modelspec.trigger_phrase")) << "one of the captions is empty";
}

TEST(AdapterMetadata, OfAModelForVelocitySaysSo) {
  const checkpoint::Metadata metadata = metadata_with({"--prediction-type", "v_prediction"});
  EXPECT_EQ(metadata.at("ss_base_model_version"), "sd_v1_v");
  EXPECT_EQ(metadata.at("modelspec.prediction_type"), "v");
}

TEST(AdapterMetadata, IsWhatReadersNeedWhereNoneIsWanted) {
  EXPECT_THAT(metadata_with({"--no-metadata"}),
              testing::UnorderedElementsAre(Key("ss_v2"), Key("ss_base_model_version"),
                                            Key("modelspec.architecture")));
}

}  // namespace
}  // namespace sdlora::trainer
