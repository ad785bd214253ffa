#include "trainer/options/shared_file_options.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "trainer/options/train_config.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

TrainConfig with_name(const std::string& name) {
  const std::vector<const char*> arguments = {
      "trainer", "--model", "m", "--data", "d", "--output", "runs/my", "--output-name", name.c_str()};
  TrainConfig config;
  parse_train_config(static_cast<int>(arguments.size()), arguments.data(), config);
  return config;
}

TEST(SharedFileOptions, NameTheFilesOfARunAndOfItsCheckpoints) {
  const SharedFileOptions named = with_name("Ink drawing, v2").shared_file;
  EXPECT_EQ(named.file_name(), "Ink drawing, v2.safetensors");
  EXPECT_EQ(named.averaged_file_name(), "Ink drawing, v2_ema.safetensors");
  EXPECT_EQ(named.checkpoint_file_name(1500), "Ink drawing, v2-step00001500.safetensors");
  EXPECT_EQ(named.shown_name("runs/my"), "Ink drawing, v2");
}

TEST(SharedFileOptions, HaveNamesOfTheirOwnWhereNoneIsGiven) {
  const SharedFileOptions plain;
  EXPECT_EQ(plain.file_name(), "lora_weights.safetensors");
  EXPECT_EQ(plain.checkpoint_file_name(1500), "lora_weights.safetensors");
  EXPECT_EQ(plain.shown_name("runs/my/"), "my");
}

TEST(SharedFileOptions, TakeNoPathAndNoHiddenFile) {
  for (const char* name : {"../ink", "a/b", "a\\b", ".ink", "ink\n", "\xff"})
    EXPECT_THAT(error_of([&] { with_name(name); }), AllOf(StartsWith("64 "), HasSubstr("--output-name")))
        << name;
  EXPECT_THAT(error_of([&] { with_name(std::string(201, 'a')); }), StartsWith("64 "));
}

}  // namespace
}  // namespace sdlora::trainer
