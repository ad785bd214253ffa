#include "data/cache_latents.h"

#include <algorithm>
#include <memory>

#include "checkpoint/atomic_file.h"
#include "comm/program.h"
#include "common/error.h"
#include "data/cache_inputs.h"
#include "data/named_list.h"
#include "data/output_directory.h"
#include "data/shard_builder.h"
#include "data/shard_reader.h"
#include "data/text_builder.h"
#include "data/worker_threads.h"

namespace sdlora::data {
namespace {

bool is_all_kept(const CachePlan& plan) {
  return plan.is_text_kept && std::all_of(plan.shards.begin(), plan.shards.end(),
                                          [](const PlannedShard& shard) { return shard.is_kept; });
}

// Counts over all ranks by the pace of rank 0: they take turns picture by picture.
class ProgressCount {
 public:
  ProgressCount(const CachePlan& plan, const comm::Communicator& world, const CacheProgress& progress)
      : rank_(world.rank()), rank_count_(world.size()), progress_(progress) {
    for (const PlannedShard& shard : plan.shards)
      if (!shard.is_kept) total_count_ += static_cast<int64_t>(shard.samples.size());
  }

  void picture_done() { show(done_count_ + rank_count_); }

  void shard_done(const PlannedShard& shard) {
    finished_count_ += static_cast<int64_t>(shard.samples.size());
    show(finished_count_);
  }

 private:
  void show(int64_t done_count) {
    done_count_ = std::min(done_count, total_count_);
    if (rank_ == 0 && progress_) progress_(done_count_, total_count_);
  }

  int rank_;
  int rank_count_;
  const CacheProgress& progress_;
  int64_t total_count_ = 0;
  int64_t finished_count_ = 0;  // in whole shards
  int64_t done_count_ = 0;
};

// (all ranks)
void build_shards(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                  ImageLoader& loader, const CacheProgress& progress, CacheReport& report) {
  std::unique_ptr<ShardBuilder> builder;
  comm::agree(world, [&] { builder = std::make_unique<ShardBuilder>(options, plan, world, loader); });
  ProgressCount count(plan, world, progress);
  for (const PlannedShard& shard : plan.shards) {
    if (shard.is_kept) continue;
    ShardResult result = builder->build(shard, [&] { count.picture_done(); });
    count.shard_done(shard);
    report.pictures_encoded += result.encoded_count;
    report.skipped.insert(report.skipped.end(), result.skipped.begin(), result.skipped.end());
  }
}

[[noreturn]] void fail_without_samples(const CacheOptions& options,
                                       const std::vector<SkippedImage>& skipped) {
  std::vector<std::string> lines;
  for (const SkippedImage& image : skipped) lines.push_back(image.source + ": " + image.reason);
  throw Error(ExitCode::kBadData, Problem{.what = "not one image could be cached",
                                          .seen = named_list(lines),
                                          .where = options.images.string()});
}

// (rank 0 only) Looks at the files that are there now.
Manifest describe_cache(const CacheOptions& options, const CachePlan& plan, const CacheReport& report) {
  Manifest manifest{.settings = plan.settings, .shards = {}, .text = {}, .skipped = report.skipped};
  for (const PlannedShard& shard : plan.shards) {
    const std::filesystem::path file = options.output / shard.file_name;
    if (std::filesystem::exists(file))
      manifest.shards.push_back(describe_file(file, ShardFile(file).sample_count()));
  }
  if (manifest.shards.empty()) fail_without_samples(options, report.skipped);
  manifest.text = describe_file(options.output / kTextFileName, static_cast<int64_t>(plan.captions.size()));
  return manifest;
}

// (rank 0 only)
void write_manifest(const CacheOptions& options, const OutputDirectory& output, const Manifest& manifest) {
  std::set<std::string> wanted{kTextFileName};
  for (const ManifestFile& shard : manifest.shards) wanted.insert(shard.name);
  output.remove_all_but(wanted);
  const std::string text = to_json_text(manifest);
  const std::filesystem::path file = options.output / kManifestName;
  std::error_code error;
  if (std::filesystem::exists(file, error) && checkpoint::read_text(file) == text) return;
  checkpoint::write_text_atomically(file, text);
}

}  // namespace

CacheReport cache_latents(const CacheOptions& options, comm::Communicator& world, ImageLoader& loader,
                          const CacheProgress& progress) {
  use_one_thread_per_kernel();

  // 1. One owner of the output directory
  std::unique_ptr<OutputDirectory> output;
  comm::agree(world, [&] {
    if (world.rank() == 0) output = std::make_unique<OutputDirectory>(options.output);
  });

  // 2. What must be there, and what is there already
  const CachePlan plan = gather_cache_inputs(options, world);
  CacheReport report{.skipped = plan.skipped};

  // 3. Make the rest
  if (!is_all_kept(plan)) {
    comm::agree(world, [&] {
      if (output) output->begin_rebuild(plan);
    });
    build_shards(options, plan, world, loader, progress, report);
    if (!plan.is_text_kept) build_text_file(options, plan, world);
  }
  std::sort(report.skipped.begin(), report.skipped.end(),
            [](const SkippedImage& left, const SkippedImage& right) { return left.source < right.source; });

  // 4. The manifest, last
  comm::agree(world, [&] {
    if (!output) return;
    const Manifest manifest = describe_cache(options, plan, report);
    write_manifest(options, *output, manifest);
    report.sample_count = manifest.sample_count();
    report.shard_count = static_cast<int64_t>(manifest.shards.size());
  });
  report.caption_count = static_cast<int64_t>(plan.captions.size());
  report.shards_kept = std::count_if(plan.shards.begin(), plan.shards.end(),
                                     [](const PlannedShard& shard) { return shard.is_kept; });
  return report;
}

}  // namespace sdlora::data
