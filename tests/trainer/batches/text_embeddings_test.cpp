#include "trainer/batches/text_embeddings.h"

#include <cstdlib>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "data/dataset.h"

namespace sdlora::trainer {
namespace {

data::CaptionEncoder tiny_encoder() {
  return {model::ModelSource(std::getenv("SDLORA_TINY_MODEL")), at::kCPU, at::kFloat};
}

TEST(TextEmbeddings, EncodeATextOnceWhileItIsRemembered) {
  TextEmbeddings embeddings(tiny_encoder(), /*most_remembered=*/2);
  const at::Tensor one = embeddings.of("one").clone();
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

TEST(TextEmbeddings, AreWhatTheCacheHas) {
  const data::Dataset dataset(std::getenv("SDLORA_TINY_CACHE"));
  TextEmbeddings embeddings(tiny_encoder());
  for (const int64_t sample : {0, 1, 2}) {
    const at::Tensor cached = dataset.sample(sample).text_embedding;
    const at::Tensor difference = embeddings.of(dataset.caption_of(sample)) - cached;
    EXPECT_LT(difference.norm().item<double>(), 1e-5 * cached.norm().item<double>());
    EXPECT_FALSE(embeddings.of(dataset.caption_of(sample)).requires_grad());
  }
  const at::Tensor empty = dataset.embedding_of_empty_text();
  EXPECT_LT((embeddings.of("") - empty).norm().item<double>(), 1e-5 * empty.norm().item<double>());
}

}  // namespace
}  // namespace sdlora::trainer
