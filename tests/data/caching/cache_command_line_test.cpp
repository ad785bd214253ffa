#include "data/caching/cache_command_line.h"

#include <thread>

#include <gmock/gmock.h>

#include "common/command_line.h"
#include "common/cpu_cores.h"
#include "common/error.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

CacheCommand parsed(std::vector<const char*> words) {
  words.insert(words.begin(), "cache_latents");
  CacheCommand command;
  CLI::App app("", "cache_latents");
  declare_options(app, command);
  EXPECT_EQ(parse_command_line(app, static_cast<int>(words.size()), words.data()), ParseResult::kRun);
  return command;
}

TEST(CacheCommandLine, HasTheDefaultsOfTheContract) {
  const CacheCommand command = parsed({"--model", "m", "--images", "i", "--output", "o"});
  check_options(command);
  EXPECT_EQ(command.options.model, "m");
  EXPECT_EQ(command.options.image_size, 512);
  EXPECT_EQ(command.options.shard_size, 256);
  EXPECT_EQ(command.options.captions.for_the_rest, std::nullopt);
  EXPECT_FALSE(command.options.flip);
  EXPECT_FALSE(command.options.may_replace);
  EXPECT_FALSE(command.options.is_strict);
  EXPECT_EQ(command.device, DeviceKind::kAuto);
}

TEST(CacheCommandLine, AnEmptyCaptionIsACaption) {
  EXPECT_EQ(parsed({"--training-caption", ""}).options.captions.for_the_rest, "");
}

TEST(CacheCommandLine, CareIsAskedForByName) {
  EXPECT_TRUE(parsed({"--rebuild"}).options.may_replace);
  EXPECT_TRUE(parsed({"--strict"}).options.is_strict);
}

TEST(CacheCommandLine, VerifyAndInfoTakeADirectoryAndNothingElse) {
  const CacheCommand verify = parsed({"verify", "cache"});
  EXPECT_TRUE(verify.wants_verify);
  EXPECT_FALSE(verify.wants_info);
  EXPECT_EQ(verify.cache, "cache");
  EXPECT_TRUE(parsed({"info", "cache"}).wants_info);
  EXPECT_THROW(parsed({"verify"}), Error);
}

TEST(CacheCommandLine, APathThatIsMissingIsNamed) {
  try {
    check_options(parsed({"--model", "m", "--output", "o"}));
    FAIL() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("--images"));
  }
}

TEST(CacheCommandLine, ThreadsAreAShareOfTheCoresThatFitsTheMemory) {
  const int cores = usable_core_count();
  CacheCommand command = parsed({});
  command.options.image_size = 8;
  EXPECT_EQ(encoder_threads(command, 1), cores);
  EXPECT_EQ(encoder_threads(command, 10 * cores), 1);
  command.options.image_size = 1 << 20;
  EXPECT_EQ(encoder_threads(command, 1), 1);
  command.cpu_threads = 7;
  EXPECT_EQ(encoder_threads(command, 1), 7);
}

}  // namespace
}  // namespace sdlora::data
