#include "model/model_source.h"

#include <gmock/gmock.h>

#include "checkpoint/sha256.h"
#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::model {
namespace {

using checkpoint::sha256_of;
using testing::HasSubstr;

// A model of which only the small files are there.
class ModelSourceTest : public testing::Test {
 protected:
  ModelSourceTest() {
    for (const char* part : {"tokenizer", "scheduler", "vae"})
      std::filesystem::create_directory(folder_ / part);
    write_bytes(folder_ / "tokenizer/vocab.json",
                R"({"a": 0, "b": 1, "ab": 2, "<|startoftext|>": 3, "<|endoftext|>": 4})");
    write_bytes(folder_ / "tokenizer/merges.txt", "a b\n");
    write_bytes(folder_ / "scheduler/scheduler_config.json", R"({"num_train_timesteps": 10})");
    write_bytes(folder_ / "vae/config.json", R"({"scaling_factor": 0.25})");
  }

  std::string refusal_of(const std::function<void(const ModelSource&)>& use, ExitCode exit_code) {
    try {
      use(ModelSource(folder_.path()));
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), exit_code) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }

  TemporaryFolder folder_;
};

TEST_F(ModelSourceTest, KnowsWhichPartsAreThere) {
  const ModelSource model(folder_.path());
  EXPECT_TRUE(model.has(ModelPart::kVae));
  EXPECT_TRUE(model.has(ModelPart::kTokenizer));
  EXPECT_FALSE(model.has(ModelPart::kUnet));
}

TEST_F(ModelSourceTest, GivesTheConfigOfEachPart) {
  const ModelSource model(folder_.path());
  EXPECT_EQ(model.config_of(ModelPart::kVae).number("scaling_factor"), 0.25);
  EXPECT_EQ(model.config_of(ModelPart::kScheduler).integer("num_train_timesteps"), 10);
  EXPECT_EQ(model.load_noise_schedule().timestep_count(), 10);
}

TEST_F(ModelSourceTest, TheTokenizersHashIsOverWhatItDoesNotOverItsFiles) {
  const auto hash = [&] { return ModelSource(folder_.path()).hash_of(ModelPart::kTokenizer); };
  const std::string before = hash();
  write_bytes(folder_ / "tokenizer/README", "nothing that counts");
  EXPECT_EQ(hash(), before);
  write_bytes(folder_ / "tokenizer/tokenizer_config.json", R"({"model_max_length": 20})");
  EXPECT_NE(hash(), before);
}

TEST_F(ModelSourceTest, TakesAHashThatAnEarlierVersionMadeOfTheFiles) {
  const ModelSource model(folder_.path());
  std::string files;
  for (const char* name : {"merges.txt", "vocab.json"})
    files += std::string(name) + " " + checkpoint::sha256_of_file(folder_ / "tokenizer" / name) + "\n";
  EXPECT_EQ(model.hash_like(ModelPart::kTokenizer, sha256_of(files)), sha256_of(files));
  EXPECT_EQ(model.hash_like(ModelPart::kTokenizer, "another"), model.hash_of(ModelPart::kTokenizer));
  EXPECT_EQ(model.hash_like(ModelPart::kTokenizer, ""), model.hash_of(ModelPart::kTokenizer));
}

TEST_F(ModelSourceTest, SaysWhichConfigIsNotThere) {
  for (const auto& use :
       {std::function<void(const ModelSource&)>([](const auto& m) { m.config_of(ModelPart::kVae); }),
        std::function<void(const ModelSource&)>([](const auto& m) { m.load_vae({}); }),
        std::function<void(const ModelSource&)>([](const auto& m) { m.hash_of(ModelPart::kVae); })}) {
    std::filesystem::remove(folder_ / "vae/config.json");
    EXPECT_THAT(refusal_of(use, ExitCode::kUsage), HasSubstr("has no vae/config.json"));
  }
  EXPECT_THAT(
      refusal_of([](const ModelSource& model) { model.config_of(ModelPart::kUnet); }, ExitCode::kUsage),
      HasSubstr("has no unet"));
}

TEST_F(ModelSourceTest, NamesThePartThatIsNotThere) {
  EXPECT_THAT(refusal_of([](const ModelSource& model) { model.load_unet({}); }, ExitCode::kUsage),
              HasSubstr("has no unet"));
  EXPECT_THAT(
      refusal_of([](const ModelSource& model) { model.hash_of(ModelPart::kTextEncoder); }, ExitCode::kUsage),
      HasSubstr("has no text_encoder"));
  std::filesystem::remove_all(folder_ / "scheduler");
  EXPECT_THAT(refusal_of([](const ModelSource& model) { model.load_noise_schedule(); }, ExitCode::kUsage),
              HasSubstr("has no scheduler"));
  EXPECT_THROW(ModelSource(folder_ / "nowhere"), Error);
}

}  // namespace
}  // namespace sdlora::model
