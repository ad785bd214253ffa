// text.h5 (shard_format.h): the embedding of every caption. It may be larger than memory: rows are read and
// written one at a time.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "data/shards/hdf5_columns.h"
#include "data/shards/manifest.h"
#include "data/shards/shard_format.h"

namespace sdlora::data {

// The embeddings of an opened text file. All functions throw Error(kBadData) naming the file.
class TextRows {
 public:
  explicit TextRows(const std::filesystem::path& file);

  // [M, L, C]
  std::vector<int64_t> shape() const { return rows_.shape(); }

  // [L, C] f32, finite
  at::Tensor read(int64_t row) const;

  const Hdf5Columns& columns() const { return columns_; }

 private:
  friend class TextFile;

  Hdf5Columns columns_;
  Hdf5Rows rows_;  // of columns_
};

// An opened text file. All functions throw Error(kBadData) naming the file.
class TextFile {
 public:
  explicit TextFile(const std::filesystem::path& file);

  // Of all but the embeddings.
  const TextContent& content() const { return content_; }

  // [M, L, C]
  std::vector<int64_t> shape() const { return rows_.shape(); }

  // [L, C] f32, finite
  at::Tensor read_row(int64_t row) const { return rows_.read(row); }

  // Reads every row, and notes down a sum of its bytes. `between_rows` may throw, as in all that takes long.
  void check_rows(const std::function<void()>& between_rows = nullptr);

  // As read_row(), but quicker, after check_rows(). Throws Error(kIo) for a row that has changed since.
  at::Tensor read_checked_row(int64_t row) const;

 private:
  TextRows rows_;
  TextContent content_;
  std::vector<uint64_t> row_sums_;
};

// `content` but for its embeddings, which are row_of(n) [L, C] for each caption, asked for in order, the
// first twice; what this throws is thrown on. Is read back, and hashed, before it takes the place of `file`.
ManifestFile write_text_file(const std::filesystem::path& file, const TextContent& content,
                             const std::function<at::Tensor(int64_t row)>& row_of,
                             const std::function<void()>& between_rows = nullptr);

// With its embeddings.
ManifestFile write_text_file(const std::filesystem::path& file, const TextContent& content);

}  // namespace sdlora::data
