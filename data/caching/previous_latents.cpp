#include "data/caching/previous_latents.h"

#include <fmt/format.h>

#include "common/host.h"
#include "common/log.h"

namespace sdlora::data {
namespace {

// Where it is not planned, the crop follows from content and size.
std::string key_of(const std::string& source_sha256, const PictureFit& fit, const std::string& mask_sha256) {
  return fmt::format("{} {} {} {}", source_sha256, to_text(fit.resized), to_text(fit.size), mask_sha256);
}

}  // namespace

PreviousLatents::PreviousLatents(const std::filesystem::path& cache_directory, const CachePlan& plan)
    : settings_(plan.settings) {
  for (const std::string& name : plan.reusable_shards) {
    std::error_code error;
    if (!std::filesystem::exists(cache_directory / name, error)) {
      log::warning(fmt::format("{} is not seen from {}: what is in it is encoded again by this rank",
                               (cache_directory / name).string(), host_name()));
      continue;
    }
    const ShardFile shard(cache_directory / name);
    if (shard.header().vae_sha256 != plan.settings.vae_sha256 ||
        shard.header().mixed_precision != plan.settings.mixed_precision ||
        shard.has_flip() != plan.settings.flip || shard.mask_kind() != plan.settings.mask)
      continue;
    const std::vector<std::string> sha256 = shard.read_source_sha256();
    std::vector<PictureFit> fit = shard.read_fit();
    fit.resize(sha256.size(), unplanned_fit(shard.header().picture_size));
    std::vector<std::string> mask_sha256 = shard.read_mask_sha256();
    mask_sha256.resize(sha256.size());
    for (size_t row = 0; row < sha256.size(); ++row)
      rows_[key_of(sha256[row], fit[row], mask_sha256[row])] = {.file = files_.size(),
                                                                .row = static_cast<int64_t>(row)};
    files_.push_back(cache_directory / name);
  }
}

std::optional<KnownPicture> PreviousLatents::find(const PlannedSample& sample) {
  const auto known =
      rows_.find(key_of(sample.source_sha256, sample.fit_or_square(settings_), sample.mask_sha256));
  if (known == rows_.end()) return std::nullopt;
  const auto [file, row] = known->second;
  if (!open_shard_ || open_file_ != file) {
    open_shard_ = std::make_unique<ShardFile>(files_[file]);
    open_file_ = file;
  }
  return KnownPicture{.latents = open_shard_->read_latents_of(row),
                      .mask = open_shard_->has_masks() ? open_shard_->read_mask_of(row) : at::Tensor()};
}

}  // namespace sdlora::data
