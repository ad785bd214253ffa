#include "data/caching/cache_latents.h"

#include <algorithm>
#include <memory>
#include <numeric>

#include "comm/fail_together.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/text_list.h"
#include "data/caching/bucket_table.h"
#include "data/caching/cache_inputs.h"
#include "data/caching/mask_summary.h"
#include "data/caching/output_directory.h"
#include "data/caching/report_builder.h"
#include "data/caching/same_cache.h"
#include "data/caching/shard_builder.h"
#include "data/caching/stop_request.h"
#include "data/caching/text_builder.h"
#include "data/caching/worker_threads.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

bool is_all_kept(const CachePlan& plan) {
  return plan.is_text_kept && std::all_of(plan.shards.begin(), plan.shards.end(),
                                          [](const PlannedShard& shard) { return shard.is_kept; });
}

class ProgressCount {
 public:
  ProgressCount(const CachePlan& plan, const comm::Communicator& world, const CacheProgress& progress)
      : rank_count_(world.size()), progress_(progress) {
    for (const PlannedShard& shard : plan.shards)
      if (!shard.is_kept) add(static_cast<int64_t>(shard.samples.size()), world.rank());
    if (mark_.total_count > 0) show(0);
  }

  void picture_done(bool is_reused) {
    ++(is_reused ? mark_.own_reused_count : mark_.own_encoded_count);
    show(mark_.done_count + rank_count_);
  }

  void shard_done(const PlannedShard& shard) {
    finished_count_ += static_cast<int64_t>(shard.samples.size());
    show(finished_count_);
  }

 private:
  // The ranks share each shard.
  void add(int64_t picture_count, int rank) {
    mark_.total_count += picture_count;
    mark_.own_count += (picture_count + rank_count_ - 1 - rank) / rank_count_;
  }

  void show(int64_t done_count) {
    mark_.done_count = std::min(done_count, mark_.total_count);
    if (progress_) progress_(mark_);
  }

  int rank_count_;
  const CacheProgress& progress_;
  CacheMark mark_;
  int64_t finished_count_ = 0;  // in whole shards
};

// (all ranks) Rank 0 says which files are kept, what is gone since the last run, and makes way for the
// others. `output` is null on other ranks.
CachePlan decide_what_to_rebuild(CacheInputs inputs, OutputDirectory* output, const CacheOptions& options,
                                 comm::Communicator& world, Shrinkage& shrinkage) {
  std::string text;
  comm::fail_together(world, [&] {
    if (output == nullptr) return;
    CachePlan& plan = inputs.plan;
    const PreviousCache previous = read_previous_cache(output->record(), options.output, plan);
    const bool is_another = is_another_cache(output->record(), previous, plan, options);
    mark_reusable_files(plan, output->record(), options.output);
    shrinkage = find_shrinkage(is_another ? PreviousCache() : previous, inputs);
    warn_of_shrinkage(shrinkage, plan.skipped, options.is_strict);
    // The text encoder is used last: what is wrong with it is known before the long work on pictures.
    if (!plan.is_text_kept) (void)text_reader_for(options);
    if (!is_all_kept(plan)) output->begin_rebuild(plan, is_another);
    for (const auto& [name, file] : output->record().files)
      if (finished_name(name) != kTextFileName) plan.reusable_shards.push_back(name);
    text = to_json_text(plan);
  });
  world.broadcast(text, 0);
  return parse_cache_plan(text);
}

// (all ranks)
void build_shards(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                  const CachePlan& plan, comm::Communicator& world, ImageLoader& loader,
                  const CacheProgress& progress, OutputDirectory* output, CacheReport& report) {
  std::unique_ptr<ShardBuilder> builder;
  comm::fail_together(world, [&] {
    builder = std::make_unique<ShardBuilder>(options, subsets, plan, world, loader, output);
  });
  ProgressCount count(plan, world, progress);
  for (const PlannedShard& shard : plan.shards) {
    if (shard.is_kept) continue;
    const ShardResult result = builder->build(shard, [&](bool is_reused) { count.picture_done(is_reused); });
    count.shard_done(shard);
    report.pictures_encoded += result.encoded_count;
    report.skipped.insert(report.skipped.end(), result.skipped.begin(), result.skipped.end());
  }
}

// (all ranks) All read the same data-set file, rank 0's.
std::vector<PictureSubset> broadcast_subsets(const CacheOptions& options, comm::Communicator& world) {
  std::string text;
  comm::fail_together(world, [&] {
    if (world.rank() == 0 && !options.dataset_config.empty()) text = read_text(options.dataset_config);
  });
  world.broadcast(text, 0);
  std::vector<PictureSubset> subsets;
  comm::fail_together(world, [&] { subsets = subsets_of(options, text); });
  return subsets;
}

[[noreturn]] void fail_without_samples(const CacheOptions& options,
                                       const std::vector<SkippedImage>& skipped) {
  throw Error(ExitCode::kBadData, {.what = "not one image could be cached",
                                   .seen = indented_list_of(skipped),
                                   .where = options.source().string()});
}

// Of a finished shard: what the manifest says of it besides its bytes.
ManifestFile with_contents(ManifestFile file, const std::filesystem::path& cache_directory) {
  const ShardFile shard(cache_directory / file.name);
  if (shard.format_version() == kPlainFormatVersion) return file;
  const std::vector<int64_t> repeats = shard.read_repeats();
  file.picture_size = shard.header().picture_size;
  file.repeats = std::accumulate(repeats.begin(), repeats.end(), int64_t{0});
  return file;
}

Manifest manifest_of(const CacheOptions& options, const CachePlan& plan, const CacheRecord& record,
                     const std::vector<SkippedImage>& skipped) {
  Manifest manifest{
      .settings = plan.settings, .shards = {}, .text = record.files.at(kTextFileName), .skipped = skipped};
  for (const PlannedShard& shard : plan.shards)
    if (const auto file = record.files.find(shard.file_name); file != record.files.end())
      manifest.shards.push_back(with_contents(file->second, options.output));
  if (manifest.shards.empty()) fail_without_samples(options, skipped);
  return manifest;
}

}  // namespace

CacheReport cache_latents(const CacheOptions& options, comm::Communicator& world, ImageLoader& loader,
                          const CacheProgress& progress) {
  use_one_thread_per_kernel();

  // 1. One owner of the output directory
  std::unique_ptr<OutputDirectory> output;  // rank 0 only
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    output = std::make_unique<OutputDirectory>(options.output, leave_when_asked(options));
    refuse_newer_format(output->record(), options);
  });

  // 2. What must be there, and what is there already
  CacheReport report;
  const std::vector<PictureSubset> subsets = broadcast_subsets(options, world);
  CacheInputs inputs =
      gather_cache_inputs(options, subsets, output ? output->record().settings : std::nullopt, world);
  const DataReport data_report = inputs.report;
  const CachePlan plan =
      decide_what_to_rebuild(std::move(inputs), output.get(), options, world, report.shrinkage);
  report.skipped = plan.skipped;

  // 3. Make the rest
  if (!is_all_kept(plan)) build_shards(options, subsets, plan, world, loader, progress, output.get(), report);
  if (!plan.is_text_kept) build_text_file(options, plan, world, output.get());

  // 4. The manifest, last
  std::sort(report.skipped.begin(), report.skipped.end(),
            [](const SkippedImage& left, const SkippedImage& right) { return left.source < right.source; });
  comm::fail_together(world, [&] {
    if (!output) return;
    Manifest manifest = manifest_of(options, plan, output->record(), report.skipped);
    manifest.report = data_report;
    report.has_changed = output->finish(manifest);
    report.picture_count = manifest.picture_count();
    report.data_report = report_lines(manifest);
    report.shard_count = static_cast<int64_t>(manifest.shards.size());
    if (plan.settings.has_several_sizes()) report.bucket_table = bucket_table(options.output, manifest);
    if (plan.settings.mask != MaskKind::kNone) report.mask_summary = mask_summary(options.output, manifest);
  });
  report.caption_count = static_cast<int64_t>(plan.captions.size());
  report.shards_kept = std::count_if(plan.shards.begin(), plan.shards.end(),
                                     [](const PlannedShard& shard) { return shard.is_kept; });
  return report;
}

}  // namespace sdlora::data
