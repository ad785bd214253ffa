#include "data/shards/cache_files.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "common/error.h"
#include "common/text_list.h"
#include "data/shards/cache_precision.h"
#include "data/shards/cache_reading.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

template <typename Value>
void require_equal(const fs::path& file, const char* what, const Value& expected, const Value& seen) {
  if (expected == seen) return;
  throw Error(ExitCode::kBadData,
              {.what = fmt::format("a file does not belong to this cache: {} differs", what),
               .expected = fmt::format("{}, as manifest.json says", expected),
               .seen = fmt::format("{}", seen),
               .where = file.string(),
               .advice = "run cache_latents again: it makes anew what does not fit"});
}

}  // namespace

void require_places(const fs::path& file, const char* column, const std::vector<int64_t>& places,
                    int64_t count) {
  for (const int64_t place : places)
    if (place < 0 || place >= count)
      throw Error(ExitCode::kBadData, {.what = fmt::format("{} is out of range", column),
                                       .expected = fmt::format("0 … {}", count - 1),
                                       .seen = fmt::format("{}", place),
                                       .where = file.string() + ", " + column,
                                       .advice = "run cache_latents anew, into another directory"});
}

ShardContent load_shard(const fs::path& cache_directory, const Manifest& manifest, size_t index) {
  const ManifestFile& entry = manifest.shards[index];
  const fs::path file = cache_directory / entry.name;
  check_file(cache_directory, entry);
  ShardContent shard = read_shard(file);
  require_equal(file, "the number of samples", entry.row_count, shard.picture_count());
  const bool is_of_format_2 = shard.format_version() != kPlainFormatVersion;
  require_equal(file, "the image size",
                in_words(is_of_format_2 ? entry.picture_size : manifest.settings.picture_size),
                in_words(shard.header.picture_size));
  if (!manifest.settings.has_several_sizes())
    require_equal(file, "the image size", in_words(manifest.settings.picture_size),
                  in_words(shard.header.picture_size));
  require_equal(file, "the number of repeats", entry.repeats,
                std::accumulate(shard.repeats.begin(), shard.repeats.end(), int64_t{0}));
  require_equal(file, "cropping to buckets", manifest.settings.has_several_sizes(), !shard.fit.empty());
  require_equal(file, "masks", manifest.settings.mask != MaskKind::kNone, shard.masks.defined());
  require_equal(file, "masks by files", manifest.settings.mask == MaskKind::kFile,
                !shard.mask_sha256.empty());
  require_equal(file, "the VAE", manifest.settings.vae_sha256, shard.header.vae_sha256);
  require_equal(file, "the scaling factor", manifest.settings.vae_scaling_factor,
                shard.header.vae_scaling_factor);
  require_equal(file, "the type that the VAE computed in", word_of(manifest.settings.mixed_precision),
                word_of(shard.header.mixed_precision));
  require_equal(file, "the mirrored half", manifest.settings.flip, shard.latents.size(0) == kPlanesFlip);
  require_places(file, "caption_index", shard.caption_index, manifest.text.row_count);
  for (const std::vector<int64_t>& captions : shard.other_captions)
    require_places(file, "other_captions", captions, manifest.text.row_count);
  require_places(file, "subset", shard.subset, static_cast<int64_t>(manifest.settings.subsets.size()));
  return shard;
}

TextFile load_text(const fs::path& cache_directory, const Manifest& manifest) {
  const fs::path file = cache_directory / manifest.text.name;
  check_file(cache_directory, manifest.text);
  TextFile opened(file);
  opened.check_rows();
  const TextContent& text = opened.content();
  require_equal(file, "the number of captions", manifest.text.row_count,
                static_cast<int64_t>(text.caption.size()));
  require_equal(file, "the text encoder", manifest.settings.text_encoder_sha256, text.text_encoder_sha256);
  require_equal(file, "the tokenizer", manifest.settings.tokenizer_sha256, text.tokenizer_sha256);
  require_equal(file, "how captions were read", in_words(manifest.settings.reading), in_words(text.reading));
  require_equal(file, "the type that the text encoder computed in",
                word_of(manifest.settings.mixed_precision), word_of(text.mixed_precision));
  return opened;
}

Manifest verify_cache(const fs::path& cache_directory) {
  Manifest manifest = read_manifest(cache_directory);
  std::vector<std::string> flaws;
  const auto collect = [&](const auto& load) {
    try {
      load();
    } catch (const Error& flaw) {
      flaws.emplace_back(flaw.what());
    }
  };
  for (size_t shard = 0; shard < manifest.shards.size(); ++shard)
    collect([&] { load_shard(cache_directory, manifest, shard); });
  collect([&] { load_text(cache_directory, manifest); });
  if (!flaws.empty())
    throw Error(ExitCode::kBadData, fmt::format("{} of {} files of the cache are bad{}", flaws.size(),
                                                manifest.shards.size() + 1, indented_list(flaws)));
  return manifest;
}

}  // namespace sdlora::data
