#include "trainer/step/trace.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "tests/support/error_of.h"
#include "tests/support/same_tensors.h"
#include "tests/trainer/tiny_training.h"
#include "trainer/batches/sample_file.h"

namespace sdlora::trainer {
namespace {

TEST(Trace, WritesNothingWithoutADirectory) {
  const Trace trace("");
  EXPECT_FALSE(trace.is_on());
  trace.record_adapter({{"a", at::zeros({2})}});
  trace.record_step(1, 0, 0, 0, false);
  EXPECT_FALSE(std::filesystem::exists("step.jsonl"));
  EXPECT_FALSE(std::filesystem::exists("adapter-init.safetensors"));
}

TEST(Trace, HoldsWhatAStepTookInAndPredicted) {
  TinyTraining training;
  const TemporaryFolder folder;
  training.trace = Trace(folder / "trace");
  training.step().run(3, *training.world, /*stop_requested=*/false);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder / "trace"))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, testing::UnorderedElementsAre(sample_file_name(3, 0), sample_file_name(3, 1),
                                                   sample_file_name(3, 2), sample_file_name(3, 3)));

  const MicroBatch drawn = training.batches.make(2, 1, 1);
  const auto tensors = checkpoint::read_safetensors(folder / "trace" / sample_file_name(3, 1));
  EXPECT_TRUE(at::equal(tensors.at("latents"), drawn.latents[0]));
  EXPECT_TRUE(at::equal(tensors.at("noise"), drawn.noise[0]));
  EXPECT_TRUE(at::equal(tensors.at("timestep"), drawn.timesteps[0]));
  EXPECT_TRUE(at::equal(tensors.at("encoder_hidden_states"), drawn.text_embeddings[0]));
  EXPECT_EQ(tensors.at("sample_index").item<int64_t>(), drawn.sample_indices[0]);
  EXPECT_EQ(tensors.at("prediction").sizes(), drawn.latents[0].sizes());
}

TEST(Trace, HasALinePerStepAndBeginsAnewWithTheFirst) {
  const TemporaryFolder folder;
  const Trace trace(folder.path());
  for (const int64_t step : {1, 2, 1, 2, 3}) trace.record_step(step, 0.5, 0.25, 1e-3, step == 2);
  std::ifstream file(folder / "step.jsonl");
  std::vector<int64_t> steps;
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line);
    steps.push_back(record.at("step"));
    EXPECT_EQ(record.at("loss"), 0.5);
    EXPECT_EQ(record.at("grad_norm"), 0.25);
    EXPECT_EQ(record.at("learning_rate"), 1e-3);
    EXPECT_EQ(record.at("skipped"), record.at("step") == 2);
  }
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3));
}

TEST(Trace, HoldsTheAdapterBeforeTheFirstStep) {
  const TemporaryFolder folder;
  const checkpoint::NamedTensors adapter{{"a.lora_A", at::ones({2, 3})}};
  Trace(folder.path()).record_adapter(adapter);
  expect_same_tensors(checkpoint::read_safetensors(folder / "adapter-init.safetensors"), adapter);
}

TEST(Trace, NamesTheOptionWhenItsDirectoryCannotBeMade) {
  const TemporaryFolder folder;
  write_bytes(folder / "file", "in the way");
  EXPECT_THAT(error_of([&] { Trace(folder / "file/trace"); }),
              testing::AllOf(testing::StartsWith("74 "), testing::HasSubstr("--trace-dir")));
}

}  // namespace
}  // namespace sdlora::trainer
