#include "data/caching/cache_commands.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/text_list.h"
#include "data/caching/bucket_table.h"
#include "data/caching/mask_summary.h"
#include "data/caching/report_builder.h"
#include "data/shards/cache_files.h"
#include "data/shards/cache_precision.h"
#include "data/shards/cache_reading.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

constexpr size_t kSkippedNamed = 100;  // the others are in manifest.json

int64_t total_bytes(const Manifest& manifest) {
  int64_t bytes = manifest.text.bytes;
  for (const ManifestFile& shard : manifest.shards) bytes += shard.bytes;
  return bytes;
}

// A line for each subset, counted in the shards.
std::string subsets_text(const std::filesystem::path& cache_directory, const Manifest& manifest) {
  struct Count {
    int64_t pictures = 0, an_epoch = 0;
  };

  const std::vector<CacheSubset>& subsets = manifest.settings.subsets;
  std::vector<Count> counts(subsets.size());
  for (const ManifestFile& file : manifest.shards) {
    const ShardFile shard(cache_directory / file.name);
    std::vector<int64_t> subset = shard.read_subset(), repeats = shard.read_repeats();
    require_places(cache_directory / file.name, "subset", subset, static_cast<int64_t>(subsets.size()));
    subset.resize(static_cast<size_t>(shard.picture_count()), 0);
    repeats.resize(subset.size(), 1);
    for (size_t row = 0; row < subset.size(); ++row) {
      Count& count = counts[static_cast<size_t>(subset[row])];
      ++count.pictures;
      count.an_epoch += repeats[row];
    }
  }
  std::string text;
  for (size_t subset = 0; subset < subsets.size(); ++subset)
    text +=
        fmt::format("{:<20}{}: {} pictures, {} an epoch{}{}\n", subset == 0 ? "subsets" : "",
                    subsets[subset].name.empty() ? "--images" : subsets[subset].name, counts[subset].pictures,
                    counts[subset].an_epoch, subsets[subset].is_reg ? ", regularisation" : "",
                    subsets[subset].captions == CaptionOverrides() ? "" : ", rules of its own for captions");
  return text;
}

}  // namespace

std::string verify_text(const std::filesystem::path& cache_directory) {
  const Manifest manifest = verify_cache(cache_directory);
  return fmt::format("{}: good. {} pictures and {} captions in {} files, {} bytes, every checksum right\n",
                     cache_directory.string(), manifest.picture_count(), manifest.text.row_count,
                     manifest.shards.size() + 1, total_bytes(manifest));
}

std::string info_text(const std::filesystem::path& cache_directory) {
  const Manifest manifest = read_manifest(cache_directory);
  const CacheSettings& settings = manifest.settings;
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    text += fmt::format("{:<20}{}\n", name, value);
  };
  line("cache", cache_directory.string());
  line("pictures", fmt::format("{}", manifest.picture_count()));
  line("mirror images", settings.flip ? "yes: as many samples again" : "no");
  line("captions", fmt::format("{}, the empty one among them", manifest.text.row_count));
  line("image size",
       settings.buckets
           ? fmt::format("aspect buckets of at most {}, {}", in_words(settings.picture_size),
                         in_words(*settings.buckets))
           : fmt::format("{} x {} pixels", settings.picture_size.width, settings.picture_size.height));
  if (const int64_t repeats = manifest.repeated_count(); repeats != manifest.picture_count())
    line("pictures an epoch", fmt::format("{}, with repeats", repeats));
  line("shards", fmt::format("{} of up to {} pictures", manifest.shards.size(), settings.shard_size));
  line("bytes", fmt::format("{}", total_bytes(manifest)));
  line("scaling factor", fmt::format("{}", settings.vae_scaling_factor));
  line("VAE", "SHA-256 " + settings.vae_sha256);
  line("text encoder", "SHA-256 " + settings.text_encoder_sha256);
  line("tokenizer", "SHA-256 " + settings.tokenizer_sha256);
  line("captions read", in_words(settings.reading));
  line("mixed precision", word_of(settings.mixed_precision));
  line("format version", fmt::format("{}", manifest.format_version()));
  line("skipped images",
       fmt::format("{}{}", manifest.skipped.size(), indented_list_of(manifest.skipped, kSkippedNamed)));
  text += report_lines(manifest);
  if (settings.mask != MaskKind::kNone)
    line("masks", fmt::format("{}; {}", sdlora::word_of(settings.mask, mask_kind_words()),
                              mask_summary(cache_directory, manifest)));
  if (settings.subsets.size() > 1) text += subsets_text(cache_directory, manifest);
  if (settings.has_several_sizes()) text += bucket_table(cache_directory, manifest);
  return text;
}

std::string report_text(const CacheReport& report, const std::filesystem::path& cache_directory) {
  if (!report.has_changed)
    return fmt::format("{} pictures in {}: nothing has changed, nothing was done", report.picture_count,
                       cache_directory.string());
  return fmt::format(
      "{} pictures and {} captions in {}: {} shards made, {} kept; {} pictures encoded, {} not again",
      report.picture_count, report.caption_count, cache_directory.string(),
      report.shard_count - report.shards_kept, report.shards_kept, report.pictures_encoded,
      report.picture_count - report.pictures_encoded);
}

std::string left_out_text(const CacheReport& report) {
  std::vector<std::string> parts = sentences_of(report.shrinkage, 0);
  if (!report.skipped.empty()) parts.push_back(fmt::format("{} files are skipped", report.skipped.size()));
  return parts.empty() ? "" : fmt::format("left out: {}", fmt::join(parts, "; "));
}

std::string skipped_text(const CacheReport& report) {
  if (report.skipped.empty()) return "";
  return fmt::format("{} files are not in the cache:{}", report.skipped.size(),
                     indented_list_of(report.skipped, kSkippedNamed));
}

}  // namespace sdlora::data
