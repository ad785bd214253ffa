#include "trainer/batches/text_embeddings.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "model/model_source.h"

namespace sdlora::trainer {
namespace {

model::ClipTextReader tiny_encoder() {
  return model::ModelSource(std::getenv("SDLORA_TINY_MODEL")).load_text_reader({}, at::kCPU, at::kFloat);
}

TEST(TextEmbeddings, EncodeATextOnceWhileItIsRemembered) {
  TextEmbeddings embeddings(tiny_encoder(), /*most_remembered=*/2);
  const at::Tensor one = embeddings.of("one").clone();
  EXPECT_FALSE(one.requires_grad());
  embeddings.of("two");
  EXPECT_TRUE(at::equal(embeddings.of("one"), one));
  EXPECT_EQ(embeddings.encoded_count(), 2U);
  embeddings.of("three");  // "two" was asked for longest ago
  embeddings.of("one");
  EXPECT_EQ(embeddings.encoded_count(), 3U);
  embeddings.of("two");
  EXPECT_EQ(embeddings.encoded_count(), 4U);
  EXPECT_TRUE(at::equal(embeddings.of("one"), one));
  EXPECT_EQ(embeddings.encoded_count(), 4U);
}

}  // namespace
}  // namespace sdlora::trainer
