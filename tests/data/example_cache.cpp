#include "tests/data/example_cache.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/atomic_file.h"
#include "data/shards/shard_writer.h"
#include "data/shards/text_file.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

const std::string kVaeHash(64, 'a');
const std::string kTextEncoderHash(64, 'b');
const std::string kTokenizerHash(64, 'c');

}  // namespace

void flip_bit(const std::filesystem::path& file, int64_t byte) {
  std::string bytes = read_text(file);
  bytes[static_cast<size_t>(byte)] = static_cast<char>(bytes[static_cast<size_t>(byte)] ^ 1);
  write_bytes(file, bytes);
}

ShardContent example_shard(int64_t first, int64_t count, bool flip) {
  ShardContent shard;
  shard.header = {.picture_size = square(64),
                  .vae_scaling_factor = 0.18215,
                  .vae_sha256 = kVaeHash,
                  .inputs_sha256 = fmt::format("{:064}", first)};
  const int64_t planes = flip ? kPlanesFlip : kPlanesPlain;
  shard.latents = at::arange(planes * count * 4 * 8 * 8, at::kFloat).reshape({planes, count, 4, 8, 8}) +
                  1000 * static_cast<double>(first);
  for (int64_t sample = first; sample < first + count; ++sample) {
    shard.caption_index.push_back(sample % 3);
    shard.source.push_back(fmt::format("folder/bild-ä{}.png", sample));
    shard.source_sha256.push_back(fmt::format("{:064x}", sample));
  }
  return shard;
}

ShardContent example_bucket_shard(int64_t first, int64_t count, int64_t repeats) {
  ShardContent shard = example_shard(first, count);
  shard.header.picture_size = {.width = 128, .height = 64};
  shard.latents =
      at::arange(kPlanesPlain * count * 4 * 8 * 16, at::kFloat).reshape({kPlanesPlain, count, 4, 8, 16});
  shard.fit.assign(static_cast<size_t>(count), {.original = {.width = 300, .height = 128},
                                                .resized = {.width = 150, .height = 64},
                                                .size = shard.header.picture_size});
  shard.repeats.assign(static_cast<size_t>(count), 1);
  shard.repeats[0] = repeats;
  return shard;
}

TextContent example_text(int64_t count) {
  TextContent text{.text_encoder_sha256 = kTextEncoderHash,
                   .tokenizer_sha256 = kTokenizerHash,
                   .inputs_sha256 = std::string(64, 'd')};
  text.embedding = at::arange(count * 77 * 6, at::kFloat).reshape({count, 77, 6});
  text.caption.push_back("");
  for (int64_t caption = 1; caption < count; ++caption)
    text.caption.push_back(fmt::format("caption é {}", caption));
  return text;
}

CacheSettings example_settings(bool flip) {
  return {.picture_size = square(64),
          .flip = flip,
          .shard_size = 3,
          .vae_scaling_factor = 0.18215,
          .vae_sha256 = kVaeHash,
          .text_encoder_sha256 = kTextEncoderHash,
          .tokenizer_sha256 = kTokenizerHash};
}

Manifest write_example_bucket_cache(const std::filesystem::path& folder) {
  Manifest manifest = write_example_cache(folder);
  manifest.settings.buckets = BucketRules{.least_side = 64, .greatest_side = 128};
  for (size_t index = 0; index < 2; ++index) {  // now of format 2
    ShardContent shard = index == 0 ? example_shard(0, 3) : example_shard(3, 2);
    shard.fit.assign(shard.source.size(),
                     {.original = square(64), .resized = square(64), .size = square(64)});
    write_shard(folder / shard_file_name(static_cast<int64_t>(index)), shard);
  }
  write_shard(folder / shard_file_name(2), example_bucket_shard(5, 2));
  manifest.shards.clear();
  for (int64_t index = 0; index < 3; ++index) {
    ManifestFile file = describe_file(folder / shard_file_name(index), index == 0 ? 3 : 2);
    file.picture_size = index == 2 ? PictureSize{.width = 128, .height = 64} : square(64);
    file.repeats = index == 2 ? 4 : 0;
    manifest.shards.push_back(file);
  }
  write_text_atomically(folder / kManifestName, to_json_text(manifest));
  return manifest;
}

Manifest write_example_cache(const std::filesystem::path& folder, bool flip) {
  std::filesystem::create_directories(folder);
  write_shard(folder / shard_file_name(0), example_shard(0, 3, flip));
  write_shard(folder / shard_file_name(1), example_shard(3, 2, flip));
  write_text_file(folder / kTextFileName, example_text(3));
  Manifest manifest{.settings = example_settings(flip)};
  manifest.shards = {describe_file(folder / shard_file_name(0), 3),
                     describe_file(folder / shard_file_name(1), 2)};
  manifest.text = describe_file(folder / kTextFileName, 3);
  manifest.skipped = {{"broken.png", "an empty file"}};
  write_text_atomically(folder / kManifestName, to_json_text(manifest));
  return manifest;
}

}  // namespace sdlora::data
