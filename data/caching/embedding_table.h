// The embeddings of a plan's captions while they are being made, in the one block that is written at the end:
// they may be most of the memory that a run needs.
#pragma once

#include <string>
#include <vector>

#include "data/caching/cache_plan.h"

namespace sdlora::data {

class EmbeddingTable {
 public:
  explicit EmbeddingTable(const CachePlan& plan) : plan_(plan), is_known_(plan.captions.size(), false) {}

  // Takes the rows of captions of the plan, if they were made with the same text encoder and tokenizer.
  void take_from(const TextContent& other);

  // embedding [L, C] f32
  void set(size_t row, const at::Tensor& embedding);

  // Rows, in order.
  std::vector<size_t> missing() const;

  // The captions that are known so far, in order; nothing before the first row, the empty caption's, is.
  // Shares the block where it can.
  TextContent content() const;

 private:
  const CachePlan& plan_;
  at::Tensor rows_;  // [M, L, C], undefined before the first
  std::vector<bool> is_known_;
};

}  // namespace sdlora::data
