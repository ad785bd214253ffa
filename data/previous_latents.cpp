#include "data/previous_latents.h"

#include <algorithm>

#include "common/error.h"
#include "data/output_directory.h"

namespace sdlora::data {

PreviousLatents::PreviousLatents(const std::filesystem::path& cache_directory,
                                 const CacheSettings& settings) {
  for (const std::filesystem::path& file : list_shards(cache_directory)) {
    try {
      const ShardFile shard(file);
      const ShardHeader& header = shard.header();
      if (header.image_size != settings.image_size || header.vae_sha256 != settings.vae_sha256 ||
          shard.has_flip() != settings.flip)
        continue;
      const std::vector<std::string> sha256 = shard.read_source_sha256();
      for (size_t row = 0; row < sha256.size(); ++row)
        rows_[sha256[row]] = {.file = files_.size(), .row = static_cast<int64_t>(row)};
      files_.push_back(file);
    } catch (const Error&) {
      continue;
    }
  }
}

std::optional<at::Tensor> PreviousLatents::find(const std::string& source_sha256) {
  const auto known = rows_.find(source_sha256);
  if (known == rows_.end()) return std::nullopt;
  const auto [file, row] = known->second;
  try {
    if (!open_shard_ || open_file_ != file) {
      open_shard_ = std::make_unique<ShardFile>(files_[file]);
      open_file_ = file;
    }
    return open_shard_->read_latents_of(row);
  } catch (const Error&) {
    return std::nullopt;
  }
}

}  // namespace sdlora::data
