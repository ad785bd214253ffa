// Which files of an earlier run are still good: the second half of cache_plan.h.
#include <algorithm>
#include <map>
#include <optional>

#include "common/error.h"
#include "common/log.h"
#include "data/cache_plan.h"
#include "data/shard_reader.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

std::optional<Manifest> find_manifest(const fs::path& cache_directory) {
  try {
    return read_manifest(cache_directory);
  } catch (const Error&) {  // no manifest, or a damaged one: files have to speak for themselves
    return std::nullopt;
  }
}

using Reasons = std::map<std::string, std::string>;  // by source

Reasons left_out_by(const std::optional<Manifest>& manifest) {
  Reasons reasons;
  if (manifest)
    for (const SkippedImage& image : manifest->skipped) reasons[image.source] = image.reason;
  return reasons;
}

const ManifestFile* entry_of(const std::optional<Manifest>& manifest, const std::string& name) {
  if (!manifest) return nullptr;
  if (manifest->text.name == name) return &manifest->text;
  const auto entry = std::find_if(manifest->shards.begin(), manifest->shards.end(),
                                  [&](const ManifestFile& file) { return file.name == name; });
  return entry == manifest->shards.end() ? nullptr : &*entry;
}

// The rows are the planned samples, in order, but for those that the earlier run left out with a reason:
// these go to `left_out`.
bool holds_samples(const ShardFile& shard, const PlannedShard& planned, const Reasons& reasons,
                   std::vector<SkippedImage>& left_out) {
  if (shard.header().inputs_sha256 != planned.inputs_sha256) return false;
  const std::vector<std::string> source = shard.read_source();
  const std::vector<std::string> sha256 = shard.read_source_sha256();
  const std::vector<int64_t> caption_index = shard.read_caption_index();
  size_t row = 0;
  for (const PlannedSample& sample : planned.samples) {
    if (row < source.size() && source[row] == sample.source && sha256[row] == sample.source_sha256 &&
        caption_index[row] == sample.caption_index) {
      ++row;
      continue;
    }
    const auto reason = reasons.find(sample.source);
    if (reason == reasons.end()) return false;
    left_out.push_back({sample.source, reason->second});
  }
  return row == source.size();
}

// Runs `is_good`; a damaged file is removed, with a line in the log, and is not good.
template <typename Check>
bool good_or_removed(const fs::path& file, Check&& is_good) {
  std::error_code error;
  if (!fs::exists(file, error)) return false;
  try {
    return is_good();
  } catch (const Error& damage) {
    log::warning(fmt::format("{} is made anew: {}", file.string(), damage.what()));
    fs::remove(file, error);
    return false;
  }
}

}  // namespace

void keep_what_is_there(CachePlan& plan, const fs::path& cache_directory) {
  const std::optional<Manifest> manifest = find_manifest(cache_directory);
  const Reasons reasons = left_out_by(manifest);
  for (PlannedShard& planned : plan.shards) {
    const fs::path file = cache_directory / planned.file_name;
    std::vector<SkippedImage> left_out;
    planned.is_kept = good_or_removed(file, [&] {
      const ManifestFile* entry = entry_of(manifest, planned.file_name);
      if (entry != nullptr) check_file(cache_directory, *entry, true);
      const ShardFile shard(file);
      if (!holds_samples(shard, planned, reasons, left_out)) return false;
      if (entry == nullptr) shard.read_latents();  // checks every chunk
      return true;
    });
    if (planned.is_kept) plan.skipped.insert(plan.skipped.end(), left_out.begin(), left_out.end());
  }
  const fs::path text_file = cache_directory / kTextFileName;
  plan.is_text_kept = good_or_removed(text_file, [&] {
    const ManifestFile* entry = entry_of(manifest, kTextFileName);
    if (entry != nullptr) check_file(cache_directory, *entry, true);
    const TextContent text = read_text_file(text_file);
    return text.inputs_sha256 == plan.text_inputs_sha256 && text.caption == plan.captions;
  });
}

}  // namespace sdlora::data
