#include "data/caching/previous_cache.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "data/images/image_bytes.h"
#include "data/shards/cache_precision.h"
#include "data/shards/shard_reader.h"
#include "data/shards/text_file.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

// Notes down each difference once.
class Differences {
 public:
  template <typename Value>
  void compare(const std::string& name, const Value& before, const Value& now) {
    if (before == now || !named_.insert(name).second) return;
    lines_.push_back(fmt::format("{}: {}, now {}", name, before, now));
  }

  std::vector<std::string> take() { return std::move(lines_); }

 private:
  std::unordered_set<std::string> named_;
  std::vector<std::string> lines_;
};

std::string short_hash(const std::string& sha256) {
  constexpr size_t kShown = 12;
  return "SHA-256 " + sha256.substr(0, kShown) + "…";
}

const char* on_or_off(bool is_on) {
  return is_on ? "on" : "off";
}

std::string words_of(const std::optional<BucketRules>& buckets) {
  return buckets ? in_words(*buckets) : "off";
}

// "768x768, 512x512"; "one" where all are alike.
std::string sizes_of(const CacheSettings& settings) {
  std::vector<std::string> sizes;
  for (const CacheSubset& subset : settings.subsets)
    if (subset.size) sizes.push_back(to_text(*subset.size));
  return sizes.empty() ? "one" : fmt::format("{}", fmt::join(sizes, ", "));
}

void compare_settings(const CacheSettings& before, const CacheSettings& now, Differences& differences) {
  differences.compare("--img-size", in_words(before.picture_size), in_words(now.picture_size));
  differences.compare("--aspect-buckets", words_of(before.buckets), words_of(now.buckets));
  differences.compare("--mask", sdlora::word_of(before.mask, mask_kind_words()),
                      sdlora::word_of(now.mask, mask_kind_words()));
  differences.compare("resolutions of --dataset-config", sizes_of(before), sizes_of(now));
  differences.compare("--flip", on_or_off(before.flip), on_or_off(now.flip));
  differences.compare("--mixed-precision", word_of(before.mixed_precision), word_of(now.mixed_precision));
  differences.compare("--clip-skip", before.reading.clip_skip, now.reading.clip_skip);
  differences.compare("--max-token-length", before.reading.max_token_length, now.reading.max_token_length);
  differences.compare("--shard-size", before.shard_size, now.shard_size);
  differences.compare("VAE of --model", short_hash(before.vae_sha256), short_hash(now.vae_sha256));
  differences.compare("its scaling factor", before.vae_scaling_factor, now.vae_scaling_factor);
  differences.compare("text encoder of --model", short_hash(before.text_encoder_sha256),
                      short_hash(now.text_encoder_sha256));
  differences.compare("tokenizer of --model", short_hash(before.tokenizer_sha256),
                      short_hash(now.tokenizer_sha256));
}

// Whether the pictures of a shard came to their sizes as they would now.
bool fits_as(const CacheSettings& now, const ShardFile& shard) {
  const bool are_of_subsets = std::any_of(now.subsets.begin(), now.subsets.end(),
                                          [](const CacheSubset& subset) { return subset.size.has_value(); });
  if (are_of_subsets) return true;  // by rules of their own, which are not kept
  if (!now.buckets) return false;
  const AspectBuckets buckets(now.picture_size, *now.buckets);
  const std::vector<PictureFit> fits = shard.read_fit();
  return std::all_of(fits.begin(), fits.end(), [&](const PictureFit& fit) {
    try {
      return buckets.fit(fit.original) == fit;
    } catch (const UnusableImage&) {
      return false;
    }
  });
}

void compare_shard(const ShardFile& shard, const CacheSettings& now, Differences& differences) {
  CacheSettings before = now;
  if (!shard.has_fits()) {
    before.picture_size = shard.header().picture_size;  // else it is a bucket's
    before.buckets.reset();
  } else if (!fits_as(now, shard)) {
    differences.compare("--aspect-buckets", std::string("others"), words_of(now.buckets));
  }
  before.flip = shard.has_flip();
  before.mask = shard.mask_kind();
  before.vae_sha256 = shard.header().vae_sha256;
  before.vae_scaling_factor = shard.header().vae_scaling_factor;
  before.mixed_precision = shard.header().mixed_precision;
  compare_settings(before, now, differences);
}

void compare_text(const TextContent& text, const CacheSettings& now, Differences& differences) {
  CacheSettings before = now;
  before.text_encoder_sha256 = text.text_encoder_sha256;
  before.tokenizer_sha256 = text.tokenizer_sha256;
  before.mixed_precision = text.mixed_precision;
  before.reading = text.reading;
  compare_settings(before, now, differences);
}

void add_pictures(const ShardFile& shard, const std::optional<TextContent>& text,
                  std::vector<PreviousPicture>& pictures) {
  const std::vector<std::string> sources = shard.read_source();
  const std::vector<std::string> hashes = shard.read_source_sha256();
  const std::vector<int64_t> captions = shard.read_caption_index();
  for (size_t row = 0; row < sources.size(); ++row) {
    PreviousPicture picture{.source = sources[row], .source_sha256 = hashes[row], .caption = std::nullopt};
    const auto caption = static_cast<size_t>(captions[row]);
    if (text && caption < text->caption.size()) picture.caption = text->caption[caption];
    pictures.push_back(std::move(picture));
  }
}

bool counts(const CacheRecord& record, const std::string& name) {
  return record.files.contains(name) && !(record.replaces_another && is_previous_name(name));
}

// Captions are numbered by the text file that was there with the shards. Where there are two, one is being
// replaced, and the numbers may be either's.
std::optional<TextContent> only_text_file(const CacheRecord& record, const fs::path& cache_directory) {
  const std::string finished = kTextFileName;
  const std::string aside = previous_name(finished);
  if (counts(record, finished) == counts(record, aside)) return std::nullopt;
  return TextFile(cache_directory / (counts(record, finished) ? finished : aside)).content();
}

}  // namespace

PreviousCache read_previous_cache(const CacheRecord& record, const fs::path& cache_directory,
                                  const CachePlan& plan) {
  PreviousCache previous;
  Differences differences;
  if (record.settings) compare_settings(*record.settings, plan.settings, differences);
  const std::optional<TextContent> text = only_text_file(record, cache_directory);
  if (text && !record.settings) compare_text(*text, plan.settings, differences);
  for (const auto& [name, file] : record.files) {
    if (finished_name(name) == kTextFileName || !counts(record, name)) continue;
    const ShardFile shard(cache_directory / name);
    if (!record.settings) compare_shard(shard, plan.settings, differences);
    add_pictures(shard, text, previous.pictures);
  }
  previous.differences = differences.take();
  return previous;
}

PlannedPictures::PlannedPictures(const CachePlan& plan) {
  for (const PlannedShard& shard : plan.shards)
    for (const PlannedSample& sample : shard.samples) {
      contents_.insert(sample.source_sha256);
      captions_[sample.source] = plan.captions.at(static_cast<size_t>(sample.caption_index));
    }
}

std::optional<std::string> PlannedPictures::caption_of(const std::string& source) const {
  const auto known = captions_.find(source);
  if (known == captions_.end()) return std::nullopt;
  return known->second;
}

}  // namespace sdlora::data
