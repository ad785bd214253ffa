#include "lora/kohya_hashes.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace sdlora::lora {
namespace {

checkpoint::NamedTensors small_adapter(at::ScalarType dtype) {
  return {{"m.alpha", at::scalar_tensor(1.0, dtype)},
          {"m.lora_down.weight", at::tensor({1.0, 2.0}).to(dtype).view({1, 2})},
          {"m.lora_up.weight", at::tensor({0.5, 0.25}).to(dtype).view({2, 1})}};
}

// What sd-scripts computes of these tensors.
TEST(KohyaHashes, AreThoseOfSdScripts) {
  EXPECT_EQ(kohya_hashes(small_adapter(at::kFloat), {}, "a.safetensors").model,
            "275df8a842aa6833033bec1cbbe2a4292309de5b2b9466cba82f73a058927c13");
  EXPECT_EQ(kohya_hashes(small_adapter(at::kHalf), {}, "a.safetensors").model,
            "237b19fb83490eead7f38b0c82bb35822e0a3699aa566731d9d7d922a9f2802e");
}

TEST(KohyaHashes, OfAFileBelowAMebibyteHaveTheLegacyHashOfNothing) {
  EXPECT_EQ(kohya_hashes(small_adapter(at::kFloat), {}, "a.safetensors").legacy, "e3b0c442");
}

TEST(KohyaHashes, DependOnTheMetadataOnlyInTheLegacyHashAndThereOnThatOfTraining) {
  const checkpoint::NamedTensors large{{"m", at::arange(600'000, at::kFloat)}};
  const auto hashes_with = [&](const checkpoint::Metadata& metadata) {
    return kohya_hashes(large, metadata, "a.safetensors");
  };
  const KohyaHashes plain = hashes_with({}), trained = hashes_with({{"ss_steps", "100"}}),
                    titled = hashes_with({{"modelspec.title", "ink"}, {"sshs_model_hash", "old"}});
  EXPECT_EQ(trained.model, plain.model);
  EXPECT_NE(trained.legacy, plain.legacy);
  EXPECT_EQ(titled.legacy, plain.legacy);
  EXPECT_EQ(plain.legacy.size(), 8);
}

}  // namespace
}  // namespace sdlora::lora
