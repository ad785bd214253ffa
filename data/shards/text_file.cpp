#include "data/shards/text_file.h"

#include <bit>
#include <cstring>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "data/shards/cache_precision.h"
#include "data/shards/cache_reading.h"
#include "data/shards/hdf5_column_writer.h"
#include "data/shards/hdf5_output.h"
#include "data/shards/read_back.h"

namespace sdlora::data {
namespace {

constexpr int kEmbeddingRank = 3;

TextContent content_of(const Hdf5Columns& columns, const std::vector<int64_t>& shape) {
  TextContent content;
  content.text_encoder_sha256 =
      read_string_attribute(columns.file_id(), "text_encoder_sha256", columns.place());
  content.tokenizer_sha256 = read_string_attribute(columns.file_id(), "tokenizer_sha256", columns.place());
  content.inputs_sha256 = read_string_attribute(columns.file_id(), "inputs_sha256", columns.place());
  content.mixed_precision = read_precision_attribute(columns.file_id(), columns.place());
  content.reading = read_reading_attributes(columns.file_id(), columns.place());
  if (content.format_version() != columns.format_version())
    columns.place().fail(fmt::format("format version {}", content.format_version()),
                         fmt::format("format version {}", columns.format_version()));
  const int64_t row_count = shape[0], length = shape[1];
  if (content.reading.max_token_length != model::ClipReading().max_token_length &&
      length != content.reading.max_token_length + 2)
    columns.place()
        .in("embedding")
        .fail(fmt::format("{} tokens", content.reading.max_token_length + 2), fmt::format("{}", length));
  content.caption = columns.read_strings("caption");
  if (static_cast<int64_t>(content.caption.size()) != row_count)
    columns.place().in("caption").fail(fmt::format("{} rows, as the other column has", row_count),
                                       fmt::format("{}", content.caption.size()));
  if (!content.caption[0].empty())
    columns.place().in("caption").fail("the empty caption in row 0", "another");
  return content;
}

// Fletcher's checksum with words of 64 bits (the last bytes are words of their own): a fifth of the time of
// HDF5's of 32 bits.
uint64_t sum_of(const at::Tensor& row) {
  const at::Tensor plain = row.contiguous();
  const auto* bytes = static_cast<const char*>(plain.const_data_ptr());
  uint64_t sum = 0, sum_of_sums = 0;
  const auto add = [&](size_t begin, size_t count) {
    uint64_t word = 0;
    std::memcpy(&word, bytes + begin, count);
    sum += word;
    sum_of_sums += sum;
  };
  const size_t whole = plain.nbytes() / sizeof(uint64_t) * sizeof(uint64_t);
  for (size_t begin = 0; begin < whole; begin += sizeof(uint64_t)) add(begin, sizeof(uint64_t));
  if (whole < plain.nbytes()) add(whole, plain.nbytes() - whole);
  return sum ^ std::rotl(sum_of_sums, 32);
}

std::string hash_of(const at::Tensor& row) {
  const at::Tensor plain = row.contiguous();
  return checkpoint::sha256_of({static_cast<const char*>(plain.const_data_ptr()), plain.nbytes()});
}

}  // namespace

TextRows::TextRows(const std::filesystem::path& file)
    : columns_(file, {"embedding", "caption"}, {}, kFormatVersion),
      rows_(columns_.rows("embedding", kEmbeddingRank)) {
  rows_.require_plain();
}

at::Tensor TextRows::read(int64_t row) const {
  at::Tensor values = rows_.read(row);
  if (!at::isfinite(values).all().item<bool>())
    columns_.place().in("embedding").fail("finite values", fmt::format("NaN or infinity in row {}", row));
  return values;
}

TextFile::TextFile(const std::filesystem::path& file)
    : rows_(file), content_(content_of(rows_.columns(), rows_.shape())) {}

void TextFile::check_rows(const std::function<void()>& between_rows) {
  row_sums_.clear();
  for (int64_t row = 0; row < shape()[0]; ++row) {
    if (between_rows) between_rows();
    row_sums_.push_back(sum_of(read_row(row)));
  }
}

at::Tensor TextFile::read_checked_row(int64_t row) const {
  at::Tensor values = rows_.rows_.read_unchecked(row);
  if (sum_of(values) != row_sums_.at(static_cast<size_t>(row)))
    throw Error(ExitCode::kIo, {.what = fmt::format("row {} is not what it was at the start of the run", row),
                                .where = rows_.columns().place().in("embedding").file,
                                .advice = "check the disk, and that nobody writes there; then go on from the "
                                          "last checkpoint"});
  return values;
}

ManifestFile write_text_file(const std::filesystem::path& file, const TextContent& content,
                             const std::function<at::Tensor(int64_t row)>& row_of,
                             const std::function<void()>& between_rows) {
  const auto row_count = static_cast<int64_t>(content.caption.size());
  const Hdf5Place place{ExitCode::kIo, file.string()};
  std::vector<std::string> hashes;  // by row
  const auto noted_row_of = [&](int64_t row) {
    if (between_rows) between_rows();
    at::Tensor values = row_of(row).to(at::kCPU, at::kFloat);
    hashes.push_back(hash_of(values));
    return values;
  };
  std::vector<int64_t> shape = row_of(0).sizes().vec();
  shape.insert(shape.begin(), row_count);
  const auto fill = [&](hid_t id, const std::function<void()>& require_written) {
    write_integer_attribute(id, "format_version", content.format_version(), place);
    write_string_attribute(id, "text_encoder_sha256", content.text_encoder_sha256, place);
    write_string_attribute(id, "tokenizer_sha256", content.tokenizer_sha256, place);
    write_string_attribute(id, "inputs_sha256", content.inputs_sha256, place);
    write_precision_attribute(id, content.mixed_precision, place);
    write_reading_attributes(id, content.reading, place);
    const auto next_row = [&](int64_t row) {
      require_written();
      return noted_row_of(row);
    };
    write_float_rows(id, "embedding", shape, next_row, place);
    write_strings(id, "caption", content.caption, place);
  };
  ManifestFile written;
  write_file_atomically(file, [&](const std::filesystem::path& temporary) {
    write_hdf5_file(temporary, place, fill);
    const TextFile back(temporary);
    require_read_back(back.content().caption == content.caption, file);
    for (int64_t row = 0; row < row_count; ++row) {
      if (between_rows) between_rows();
      require_read_back(hash_of(back.read_row(row)) == hashes[static_cast<size_t>(row)], file);
    }
    written = describe_file(temporary, row_count, between_rows);
  });
  written.name = file.filename().string();
  return written;
}

ManifestFile write_text_file(const std::filesystem::path& file, const TextContent& content) {
  return write_text_file(file, content, [&](int64_t row) { return content.embedding[row]; });
}

}  // namespace sdlora::data
