#include "checkpoint/checkpoint_store.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "checkpoint/sha256.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

Checkpoint checkpoint_of(int64_t step, double value = 1.0) {
  return {.step = step,
          .adapter = {{"to_q.lora_A", at::full({2, 3}, value)}, {"to_q.lora_B", at::zeros({3, 2})}},
          .optimizer = {{"exp_avg", at::full({12}, value)}, {"exp_avg_sq", at::zeros({12})}},
          .state_json = R"({"batch_size": 8})"};
}

void expect_equal(const Checkpoint& seen, const Checkpoint& expected) {
  EXPECT_EQ(seen.step, expected.step);
  EXPECT_EQ(seen.state_json, expected.state_json);
  for (const auto& [name, tensor] : expected.adapter)
    EXPECT_TRUE(at::equal(seen.adapter.at(name), tensor)) << name;
  for (const auto& [name, tensor] : expected.optimizer)
    EXPECT_TRUE(at::equal(seen.optimizer.at(name), tensor)) << name;
}

TEST(CheckpointStore, ReadsBackWhatItSaved) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(100));
  expect_equal(load_checkpoint(run / "checkpoint-step-100"), checkpoint_of(100));
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-100"));
}

TEST(CheckpointStore, HoldsFurtherFilesThatNoRunDependsOn) {
  const TemporaryFolder run;
  Checkpoint checkpoint = checkpoint_of(100);
  checkpoint.write_more = [](const std::filesystem::path& directory) {
    write_bytes(directory / "lora_weights.safetensors", "for others");
  };
  save_checkpoint(run.path(), checkpoint);
  EXPECT_EQ(bytes_of(run / "checkpoint-step-100/lora_weights.safetensors"), "for others");
  std::filesystem::remove(run / "checkpoint-step-100/lora_weights.safetensors");
  expect_equal(load_checkpoint(run / "checkpoint-step-100"), checkpoint_of(100));
}

TEST(CheckpointStore, IsAbsentWhereAFurtherFileCannotBeWritten) {
  const TemporaryFolder run;
  Checkpoint checkpoint = checkpoint_of(100);
  checkpoint.write_more = [](const std::filesystem::path&) {
    throw Error(ExitCode::kIo, {.what = "the disk is full"});
  };
  EXPECT_THAT(error_of([&] { save_checkpoint(run.path(), checkpoint); }), StartsWith("74 "));
  EXPECT_THAT(run.names(), IsEmpty());
}

TEST(CheckpointStore, ListsEveryFileInTheManifest) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(7));
  const auto directory = run / "checkpoint-step-7";
  const auto manifest = nlohmann::json::parse(bytes_of(directory / "MANIFEST.json"));
  EXPECT_EQ(manifest.at("format_version"), 1);
  EXPECT_EQ(manifest.at("step"), 7);
  std::vector<std::string> names;
  for (const auto& [name, record] : manifest.at("files").items()) {
    names.push_back(name);
    EXPECT_EQ(record.at("bytes"), std::filesystem::file_size(directory / name));
    EXPECT_EQ(record.at("sha256"), sha256_of_file(directory / name));
  }
  EXPECT_THAT(names, UnorderedElementsAre("adapter.safetensors", "optimizer.safetensors", "state.json"));
}

TEST(CheckpointStore, WritesTheSameBytesForTheSameState) {
  const TemporaryFolder first;
  const TemporaryFolder second;
  save_checkpoint(first.path(), checkpoint_of(1));
  save_checkpoint(second.path(), checkpoint_of(1));
  for (const char* name : {"adapter.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"}) {
    EXPECT_EQ(bytes_of(first / "checkpoint-step-1" / name), bytes_of(second / "checkpoint-step-1" / name))
        << name;
  }
}

TEST(CheckpointStore, ReplacesACheckpointOfTheSameStep) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(5, 1.0));
  save_checkpoint(run.path(), checkpoint_of(5, 2.0));
  expect_equal(load_checkpoint(run / "checkpoint-step-5"), checkpoint_of(5, 2.0));
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-5"));
}

TEST(CheckpointStore, FindsTheHighestStepByNumber) {
  const TemporaryFolder run;
  for (const int64_t step : {9, 100, 20}) save_checkpoint(run.path(), checkpoint_of(step));
  const NewestCheckpoint newest = load_newest_checkpoint(run.path());
  ASSERT_TRUE(newest.checkpoint.has_value());
  EXPECT_EQ(newest.checkpoint->step, 100);
  EXPECT_EQ(newest.directory, run / "checkpoint-step-100");
  EXPECT_THAT(newest.skipped_reasons, IsEmpty());
}

TEST(CheckpointStore, FindsNothingInANewRun) {
  const TemporaryFolder run;
  EXPECT_FALSE(load_newest_checkpoint(run.path()).checkpoint.has_value());
  EXPECT_FALSE(load_newest_checkpoint(run / "absent").checkpoint.has_value());
  for (const char* name :
       {"checkpoint-step-", "checkpoint-step-007", "checkpoint-step-x", "checkpoint-step-5.old", "previews",
        "checkpoint-step--1", "checkpoint-step-99999999999999999999", ".checkpoint-step-5.tmp-1"}) {
    std::filesystem::create_directory(run / name);
  }
  EXPECT_FALSE(load_newest_checkpoint(run.path()).checkpoint.has_value());
}

TEST(CheckpointStore, RefusesARunDirectoryThatIsAFile) {
  const TemporaryFolder folder;
  write_bytes(folder / "run", "x");
  EXPECT_THAT(error_of([&] { load_newest_checkpoint(folder / "run"); }),
              AllOf(StartsWith("74"), HasSubstr("run")));
  EXPECT_THAT(error_of([&] { save_checkpoint(folder / "run", checkpoint_of(1)); }),
              AllOf(StartsWith("74"), HasSubstr("Not a directory"), HasSubstr("checkpoint-step-1")));
}

// Every way the newest checkpoint can be bad, and a word of the reason that is given.
struct Damage {
  std::string name;
  std::string reason;
  std::function<void(const std::filesystem::path&)> apply;
};

std::vector<Damage> damages() {
  using std::filesystem::path;
  const auto flip = [](const path& file) {
    std::string bytes = bytes_of(file);
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    write_bytes(file, bytes);
  };
  const auto replace = [](const path& file, const std::string& from, const std::string& to) {
    std::string bytes = bytes_of(file);
    bytes.replace(bytes.find(from), from.size(), to);
    write_bytes(file, bytes);
  };
  return {
      {"FlippedAdapter", "adapter.safetensors", [=](const path& p) { flip(p / "adapter.safetensors"); }},
      {"FlippedOptimizer", "optimizer.safetensors",
       [=](const path& p) { flip(p / "optimizer.safetensors"); }},
      {"FlippedState", "state.json", [=](const path& p) { flip(p / "state.json"); }},
      {"TruncatedAdapter", "cut off",
       [](const path& p) { std::filesystem::resize_file(p / "adapter.safetensors", 50); }},
      {"EmptyOptimizer", "cut off",
       [](const path& p) { std::filesystem::resize_file(p / "optimizer.safetensors", 0); }},
      {"GrownState", "grown", [](const path& p) { std::ofstream(p / "state.json", std::ios::app) << " "; }},
      {"MissingState", "lacks a file", [](const path& p) { std::filesystem::remove(p / "state.json"); }},
      {"MissingManifest", "not complete",
       [](const path& p) { std::filesystem::remove(p / "MANIFEST.json"); }},
      {"EmptyManifest", "manifest is damaged", [](const path& p) { write_bytes(p / "MANIFEST.json", ""); }},
      {"ManifestOfAnotherStep", "another step",
       [=](const path& p) { replace(p / "MANIFEST.json", "\"step\": 2", "\"step\": 3"); }},
      {"ManifestOfAnotherVersion", "version 9",
       [=](const path& p) { replace(p / "MANIFEST.json", "version\": 1", "version\": 9"); }},
      {"ManifestWithoutHash", "manifest is damaged",
       [=](const path& p) { replace(p / "MANIFEST.json", "sha256", "sha257"); }},
      {"ManifestWithNestedGarbage", "manifest is damaged",
       [](const path& p) { write_bytes(p / "MANIFEST.json", std::string(500'000, '[')); }},
      {"HugeManifest", "at most 1 MiB",
       [](const path& p) { write_bytes(p / "MANIFEST.json", std::string(2 << 20, ' ')); }},
      {"AdapterIsAFolder", "a folder",
       [](const path& p) {
         std::filesystem::remove(p / "adapter.safetensors");
         std::filesystem::create_directory(p / "adapter.safetensors");
       }},
      {"EmptyDirectory", "not complete",
       [](const path& p) {
         std::filesystem::remove_all(p);
         std::filesystem::create_directory(p);
       }},
      {"CheckpointIsAFile", "not complete",
       [](const path& p) {
         std::filesystem::remove_all(p);
         write_bytes(p, "x");
       }},
  };
}

class DamagedCheckpoint : public ::testing::TestWithParam<Damage> {};

TEST_P(DamagedCheckpoint, IsSkippedWithItsReasonAndTheOlderOneIsUsed) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(1, 1.0));
  save_checkpoint(run.path(), checkpoint_of(2, 2.0));
  GetParam().apply(run / "checkpoint-step-2");
  const NewestCheckpoint newest = load_newest_checkpoint(run.path());
  ASSERT_TRUE(newest.checkpoint.has_value());
  expect_equal(newest.checkpoint.value(), checkpoint_of(1, 1.0));
  EXPECT_THAT(newest.skipped_reasons,
              ElementsAre(AllOf(HasSubstr(GetParam().reason), HasSubstr("checkpoint-step-2"),
                                ::testing::Not(HasSubstr("\n")))));
}

TEST_P(DamagedCheckpoint, CanBeSavedAnew) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(2, 1.0));
  GetParam().apply(run / "checkpoint-step-2");
  save_checkpoint(run.path(), checkpoint_of(2, 2.0));
  expect_equal(load_checkpoint(run / "checkpoint-step-2"), checkpoint_of(2, 2.0));
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-2"));
}

INSTANTIATE_TEST_SUITE_P(EachWay, DamagedCheckpoint, ::testing::ValuesIn(damages()),
                         [](const auto& instance) { return instance.param.name; });

TEST(CheckpointStore, IsAnErrorWhenAllAreBad) {
  const TemporaryFolder run;
  for (const int64_t step : {1, 2}) {
    save_checkpoint(run.path(), checkpoint_of(step));
    std::filesystem::remove(run / ("checkpoint-step-" + std::to_string(step)) / "MANIFEST.json");
  }
  EXPECT_THAT(error_of([&] { load_newest_checkpoint(run.path()); }),
              AllOf(StartsWith("65"), HasSubstr("checkpoint-step-1/"), HasSubstr("checkpoint-step-2/")));
}

TEST(CheckpointStore, UsesACheckpointThatADeadSaveHadMovedAside) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(4));
  std::filesystem::rename(run / "checkpoint-step-4", run / ".checkpoint-step-4.replaced-17");
  expect_equal(load_newest_checkpoint(run.path()).checkpoint.value(), checkpoint_of(4));

  remove_leftovers(run.path());
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-4"));
  expect_equal(load_checkpoint(run / "checkpoint-step-4"), checkpoint_of(4));
}

TEST(CheckpointStore, PrefersTheReplacementToWhatWasMovedAside) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(4, 1.0));
  std::filesystem::rename(run / "checkpoint-step-4", run / ".checkpoint-step-4.replaced-17");
  save_checkpoint(run.path(), checkpoint_of(4, 2.0));
  expect_equal(load_newest_checkpoint(run.path()).checkpoint.value(), checkpoint_of(4, 2.0));
  remove_leftovers(run.path());
  EXPECT_THAT(run.names(), ElementsAre("checkpoint-step-4"));
}

TEST(CheckpointStore, KeepsTheNewestCheckpointsAndThoseItDidNotMake) {
  const TemporaryFolder run;
  for (const int64_t step : {2, 9, 10, 11, 40}) save_checkpoint(run.path(), checkpoint_of(step));
  write_bytes(run / "checkpoint-step-1.old", "x");
  remove_old_checkpoints(run.path(), /*newest_step=*/11, /*keep_count=*/2);
  EXPECT_THAT(run.names(), UnorderedElementsAre("checkpoint-step-10", "checkpoint-step-11",
                                                "checkpoint-step-40", "checkpoint-step-1.old"));
}

TEST(CheckpointStore, RemovesLeftoversAndNothingElse) {
  const TemporaryFolder run;
  save_checkpoint(run.path(), checkpoint_of(4));
  std::filesystem::create_directory(run / ".checkpoint-step-8.tmp-17");
  write_bytes(run / ".checkpoint-step-8.tmp-17" / "adapter.safetensors", "half");
  write_bytes(run / ".lora_weights.pt.tmp-17", "half");
  write_bytes(run / "metrics.jsonl", "x");
  write_bytes(run / ".hidden", "x");
  write_bytes(run / "notes.tmp-1", "x");
  remove_leftovers(run.path());
  EXPECT_THAT(run.names(),
              UnorderedElementsAre("checkpoint-step-4", "metrics.jsonl", ".hidden", "notes.tmp-1"));
}

}  // namespace
}  // namespace sdlora::checkpoint
