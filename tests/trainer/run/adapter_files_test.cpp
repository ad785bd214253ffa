#include "trainer/run/adapter_files.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using testing::IsSupersetOf;

class AdapterFilesOfARun : public testing::Test {
 protected:
  at::ScalarType type_in(const std::filesystem::path& file) const {
    return checkpoint::read_safetensors(run_.config.places.output / file).begin()->second.scalar_type();
  }

  TinyRun run_{{"--output-name", "ink", "--save-dtype", "fp16"}};
  LoadedRun loaded_ = run_.load();
  AdapterFiles files_{run_.config, loaded_, "0123"};
  checkpoint::NamedTensors tensors_ = loaded_.adapter.named_tensors();
};

TEST_F(AdapterFilesOfARun, AreOursAndOneForOthers) {
  files_.write_last(7, tensors_);
  files_.write_last_average(7, tensors_);
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(run_.config.places.output))
    names.push_back(entry.path().filename());
  EXPECT_THAT(names, IsSupersetOf({"lora_weights.pt", "lora_weights.json", "ink.safetensors",
                                   "lora_weights_ema.pt", "ink_ema.safetensors"}));
  EXPECT_EQ(type_in("ink.safetensors"), at::kHalf);
}

TEST_F(AdapterFilesOfARun, HoldInACheckpointTheOneForOthers) {
  files_.write_into_checkpoint(run_.config.places.output, 7, tensors_);
  EXPECT_EQ(type_in("ink-step00000007.safetensors"), at::kHalf);
}

TEST_F(AdapterFilesOfARun, LoseNoValueThatFp16DoesNotHold) {
  tensors_.begin()->second.view(-1)[0] = 70'000;
  files_.write_last(7, tensors_);
  EXPECT_EQ(type_in("ink.safetensors"), at::kFloat);
}

}  // namespace
}  // namespace sdlora::trainer
