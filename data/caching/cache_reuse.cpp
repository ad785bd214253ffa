// Which files of an earlier run are still good: the second half of cache_plan.h.
#include "data/caching/cache_plan.h"
#include "data/images/image_file.h"
#include "data/images/image_loader.h"
#include "data/shards/shard_reader.h"
#include "data/shards/text_file.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

bool is_worth_another_try(const std::string& reason) {
  return reason == kDecoderDied || is_unreadable(reason);
}

// The rows are the planned samples, in order, but for those that the earlier run left out: these go to
// `left_out`.
bool holds_samples(const ShardFile& shard, const PlannedShard& planned, const CacheRecord& record,
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
    const auto reason = record.left_out.find(sample.source);
    if (reason == record.left_out.end() || is_worth_another_try(reason->second)) return false;
    left_out.push_back({sample.source, reason->second});
  }
  return row == source.size();
}

}  // namespace

void mark_reusable_files(CachePlan& plan, const CacheRecord& record, const fs::path& cache_directory) {
  for (PlannedShard& planned : plan.shards) {
    if (!record.files.contains(planned.file_name)) continue;
    std::vector<SkippedImage> left_out;
    planned.is_kept =
        holds_samples(ShardFile(cache_directory / planned.file_name), planned, record, left_out);
    if (planned.is_kept) plan.skipped.insert(plan.skipped.end(), left_out.begin(), left_out.end());
  }
  if (record.files.contains(kTextFileName)) {
    const TextFile text(cache_directory / kTextFileName);
    plan.is_text_kept =
        text.content().inputs_sha256 == plan.text_inputs_sha256 && text.content().caption == plan.captions;
  }
}

}  // namespace sdlora::data
