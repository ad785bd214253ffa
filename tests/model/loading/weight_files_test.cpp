#include "model/loading/weight_files.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::model {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class WeightFilesOfAFolder : public testing::Test {
 protected:
  void put(const std::string& name, const std::string& text = "") { write_bytes(folder_ / name, text); }

  std::vector<std::string> found() const {
    std::vector<std::string> names;
    for (const std::filesystem::path& file : find_weight_files(folder_.path()).files)
      names.push_back(file.filename().string());
    return names;
  }

  std::string refusal() const {
    return error_of([this] { find_weight_files(folder_.path()); });
  }

  TemporaryFolder folder_;
};

TEST_F(WeightFilesOfAFolder, ArePlainSafetensorsFirstThenBinThenTheVariants) {
  for (const char* next : {"model.non_ema.safetensors", "model.bf16.safetensors", "pytorch_model.fp16.bin",
                           "model.fp16.safetensors", "pytorch_model.bin", "diffusion_pytorch_model.bin",
                           "model.safetensors", "diffusion_pytorch_model.safetensors"}) {
    put(next);
    EXPECT_THAT(found(), ElementsAre(next));
  }
}

TEST_F(WeightFilesOfAFolder, SayWhichVariantTheyAre) {
  put("model.fp16.safetensors");
  EXPECT_EQ(find_weight_files(folder_.path()).variant, "fp16");
  put("model.safetensors");
  EXPECT_EQ(find_weight_files(folder_.path()).variant, "");
}

TEST_F(WeightFilesOfAFolder, AreTheShardsThatAnIndexNames) {
  put("part-1.safetensors");
  put("part-2.safetensors");
  for (const char* name :
       {"diffusion_pytorch_model.safetensors.index.json", "model.safetensors.index.fp16.json",
        "model.fp16.safetensors.index.json", "model.safetensors.fp16.index.json"}) {
    put(name,
        R"({"weight_map": {"a": "part-1.safetensors", "b": "part-2.safetensors", "c": "part-1.safetensors"}})");
    EXPECT_THAT(found(), ElementsAre("part-1.safetensors", "part-2.safetensors")) << name;
    std::filesystem::remove(folder_ / name);
  }
}

TEST_F(WeightFilesOfAFolder, AreShardsWithoutAnIndexWhenAllAreThere) {
  put("model-00001-of-00002.safetensors");
  EXPECT_THAT(refusal(), HasSubstr("64"));
  put("model-00002-of-00002.safetensors");
  EXPECT_THAT(found(), ElementsAre("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"));
}

TEST_F(WeightFilesOfAFolder, AreNeverElsewhere) {
  for (const char* name : {"../x.safetensors", "/etc/passwd", "a\\\\b", "C:x", ".."}) {
    put("model.safetensors.index.json", std::string(R"({"weight_map": {"a": ")") + name + R"("}})");
    EXPECT_THAT(refusal(), HasSubstr("names a file elsewhere")) << name;
  }
}

TEST_F(WeightFilesOfAFolder, AreMissedByNameWhenAShardOrTheEndOfALinkIsGone) {
  put("model.safetensors.index.json", R"({"weight_map": {"a": "part-1.safetensors"}})");
  EXPECT_THAT(refusal(),
              testing::AllOf(HasSubstr("74"), HasSubstr("part-1.safetensors"), HasSubstr("no such file")));
  std::filesystem::create_symlink(folder_ / "blob", folder_ / "model.safetensors");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("74"), HasSubstr("a link to a file that is gone")));
}

TEST_F(WeightFilesOfAFolder, OfOtherProgramsAreNamed) {
  put("diffusion_flax_model.msgpack");
  put("model.onnx");
  EXPECT_THAT(refusal(), testing::AllOf(HasSubstr("64"), HasSubstr("msgpack"), HasSubstr("model.onnx")));
}

}  // namespace
}  // namespace sdlora::model
