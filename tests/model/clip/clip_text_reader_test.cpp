#include "model/clip/clip_text_reader.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/model_source.h"
#include "tests/support/relative_error.h"

namespace sdlora::model {
namespace {

ClipTextReader reader_of(const ClipReading& reading) {
  return ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_text_reader(reading, at::kCPU, at::kFloat);
}

// Training encodes the texts of a micro-batch together, the cache each alone.
TEST(ClipTextReader, EncodesSeveralTextsTogetherAsEachAlone) {
  const std::string longer = "a red circle, a blue square and a green triangle beside a yellow house, ";
  for (const ClipReading& reading : {ClipReading{}, ClipReading{.clip_skip = 2, .max_token_length = 150}}) {
    const ClipTextReader reader = reader_of(reading);
    const std::vector<std::string> texts{"a fox", "", longer + longer + longer + longer + longer + longer};
    std::vector<at::Tensor> ids, alone;
    for (const std::string& text : texts) {
      ids.push_back(reader.token_ids(text));
      alone.push_back(reader.read(text));
    }
    const at::Tensor together = reader.encode(at::stack(ids));
    EXPECT_EQ(together.sizes().slice(1), at::IntArrayRef(reader.shape()));
    EXPECT_LT(relative_error(together, at::stack(alone)), 1e-5) << reading.max_token_length;
  }
}

}  // namespace
}  // namespace sdlora::model
