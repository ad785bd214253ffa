// text.h5 (shard_format.h): the embedding of every caption. It may be larger than memory: rows are read and
// written one at a time.
#pragma once

#include <filesystem>
#include <functional>

#include "data/shards/hdf5_columns.h"
#include "data/shards/shard_format.h"

namespace sdlora::data {

// An opened text file. All functions throw Error(kBadData) naming the file.
class TextFile {
 public:
  explicit TextFile(const std::filesystem::path& file);

  // Of all but the embeddings.
  const TextContent& content() const { return content_; }

  // [M, L, C]
  const std::vector<int64_t>& shape() const { return shape_; }

  // [L, C] f32, finite
  at::Tensor read_row(int64_t row) const;

  // The same after check_rows(), of a file whose hash was right; quicker.
  at::Tensor read_checked_row(int64_t row) const { return rows_.read_unchecked(row); }

  // Reads every row. `between_rows` may throw, as in all that takes long.
  void check_rows(const std::function<void()>& between_rows = nullptr) const;

 private:
  Hdf5Columns columns_;
  Hdf5Rows rows_;
  TextContent content_;
  std::vector<int64_t> shape_;
};

// `content` but for its embeddings, which are row_of(n) [L, C] for each caption, asked for in order; what
// this throws is thrown on. Is read back before it takes the place of `file`.
void write_text_file(const std::filesystem::path& file, const TextContent& content,
                     const std::function<at::Tensor(int64_t row)>& row_of,
                     const std::function<void()>& between_rows = nullptr);

// With its embeddings.
void write_text_file(const std::filesystem::path& file, const TextContent& content);

}  // namespace sdlora::data
