// Where the embeddings of a plan's captions are while text.h5 is being made: in the files that earlier runs
// and this one left, but for the newest. They may be more than fits in memory.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "data/caching/cache_plan.h"
#include "data/shards/text_file.h"

namespace sdlora::data {

class EmbeddingStore {
 public:
  // Keeps a reference to the plan.
  explicit EmbeddingStore(const CachePlan& plan);

  // Knows the rows of this file whose captions are of the plan and not known yet, if they were made with the
  // same text encoder and tokenizer and read in the same way. The file must stay. Throws Error(kBadData).
  void take_from(const std::filesystem::path& file);

  // embedding [L, C] f32, kept in memory until forget_unsaved()
  void set(size_t row, const at::Tensor& embedding);

  // Rows, in order.
  std::vector<size_t> missing() const;

  // [L, C] f32, of a known row
  at::Tensor embedding_of(size_t row);

  size_t unsaved_count() const { return unsaved_.size(); }

  // The empty caption, which is the first row of each text file, and those that are in memory only. Of no
  // caption where there is nothing to save, or the empty one's embedding is not known yet.
  TextContent unsaved();

  // These are in `file` now.
  void forget_unsaved(const std::filesystem::path& file);

  // Of the whole text file, without embeddings.
  TextContent description() const;

 private:
  struct Place {
    size_t file;
    int64_t row;
  };

  const CachePlan& plan_;
  std::unordered_map<std::string, size_t> row_of_;  // by caption
  std::vector<std::filesystem::path> files_;
  std::vector<std::optional<Place>> places_;  // by row
  std::map<size_t, at::Tensor> unsaved_;      // by row
  std::map<size_t, TextRows> open_;           // by place in files_
};

}  // namespace sdlora::data
