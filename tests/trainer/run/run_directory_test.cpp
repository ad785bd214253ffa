#include "trainer/run/run_directory.h"

#include <gmock/gmock.h>

#include "common/log.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"
#include "tests/trainer/played_world.h"

namespace sdlora::trainer {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

class RunDirectory : public testing::Test {
 protected:
  RunDirectory() {
    config_.places.output = folder_ / "runs/mine";
    config_.checkpoints.resume = "auto";
  }

  TemporaryFolder folder_;
  TrainConfig config_;
  std::unique_ptr<comm::Communicator> world_ = comm::make_single_process_communicator();
};

TEST_F(RunDirectory, ThatHoldsARunIsRefusedOnlyWhereNothingMayBeResumed) {
  for (const char* name : {"metrics.jsonl", "lora_weights.pt"}) {
    std::filesystem::remove_all(config_.places.output);
    config_.checkpoints.resume = "none";
    EXPECT_NO_THROW(refuse_a_used_directory(config_, *world_)) << "there is none";
    write_bytes(config_.places.output / "notes.txt", "mine");
    EXPECT_NO_THROW(refuse_a_used_directory(config_, *world_)) << "no run's file";
    write_bytes(config_.places.output / name, "{}");
    EXPECT_THAT(error_of([&] { refuse_a_used_directory(config_, *world_); }),
                AllOf(StartsWith("64 "), HasSubstr(name), HasSubstr(config_.places.output.string())));
    config_.checkpoints.resume = "auto";
    write_bytes(config_.places.output / "checkpoint-step-1/adapter.safetensors", "");
    EXPECT_NO_THROW(refuse_a_used_directory(config_, *world_)) << "it may be gone on from";
  }
}

TEST_F(RunDirectory, IsRefusedWhereARunWouldReplaceWhatIsNotItsOwn) {
  for (const char* name :
       {"config.toml", "report.html", "log.txt", "metrics.jsonl", "lora_weights.json", "lora_weights.pt"}) {
    std::filesystem::remove_all(config_.places.output);
    write_bytes(config_.places.output / name, "mine");
    EXPECT_THAT(error_of([&] { refuse_a_used_directory(config_, *world_); }),
                AllOf(StartsWith("64 "), HasSubstr(name)))
        << name;
  }
}

TEST_F(RunDirectory, OfARunThatDiedBeforeItsFirstCheckpointMayBeUsedAgain) {
  for (const char* name : {"trainer.lock", "config.toml", "report.html", "log.txt", "metrics.jsonl"})
    write_bytes(config_.places.output / name, "");
  EXPECT_NO_THROW(refuse_a_used_directory(config_, *world_));
  write_bytes(config_.places.output / "lora_weights.pt", "of a finished run whose checkpoints were removed");
  EXPECT_THAT(error_of([&] { refuse_a_used_directory(config_, *world_); }),
              AllOf(StartsWith("64 "), HasSubstr("lora_weights.pt"), HasSubstr("--init-adapter")));
}

TEST_F(RunDirectory, IsMadeWithAllFoldersAboveAndGetsTheLog) {
  open_run_directory(config_, *world_);
  log::info("the first line of the run");
  EXPECT_THAT(bytes_of(config_.places.output / "log.txt"), HasSubstr("the first line of the run"));
}

TEST_F(RunDirectory, LosesWhatDeadAttemptsLeftByTheHandOfRank0Alone) {
  const std::string left = ".lora_weights.pt.tmp-1234567";
  write_bytes(config_.places.output / left, "half");
  write_bytes(config_.places.output / "notes.txt", "mine");
  PlayedWorld second(1, 2);
  open_run_directory(config_, second);
  EXPECT_TRUE(std::filesystem::exists(config_.places.output / left));
  EXPECT_TRUE(std::filesystem::exists(config_.places.output / "log-rank-1.txt"));
  open_run_directory(config_, *world_);
  EXPECT_FALSE(std::filesystem::exists(config_.places.output / left));
  EXPECT_TRUE(std::filesystem::exists(config_.places.output / "notes.txt"));
}

TEST_F(RunDirectory, ThatCannotBeMadeIsNamed) {
  write_bytes(folder_ / "runs", "in the way");
  EXPECT_THAT(error_of([&] { open_run_directory(config_, *world_); }),
              AllOf(StartsWith("74 "), HasSubstr(config_.places.output.string())));
}

TEST_F(RunDirectory, KeepsTheResolvedConfig) {
  std::filesystem::create_directories(config_.places.output);
  config_.settings = Settings({{.name = "model", .text = "somewhere"}, {.name = "batch-size", .text = "6"}});
  PlayedWorld second(1, 2);
  write_resolved_config(config_, second);
  EXPECT_FALSE(std::filesystem::exists(config_.places.output / "config.toml")) << "rank 0 writes it";
  write_resolved_config(config_, *world_);
  EXPECT_EQ(bytes_of(config_.places.output / "config.toml"), to_toml(config_));
  EXPECT_THAT(to_toml(config_), HasSubstr("batch-size"));
}

}  // namespace
}  // namespace sdlora::trainer
