#include "data/cache_latents.h"

#include <algorithm>
#include <memory>

#include "comm/program.h"
#include "common/error.h"
#include "data/cache_inputs.h"
#include "data/named_list.h"
#include "data/output_directory.h"
#include "data/shard_builder.h"
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
    if (total_count_ > 0) show(0);
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

// (all ranks) Rank 0 says which files are kept, and makes way for the others. `output` is null on other
// ranks.
CachePlan broadcast_plan(CachePlan plan, OutputDirectory* output,
                         const std::filesystem::path& cache_directory, comm::Communicator& world) {
  std::string text;
  comm::agree(world, [&] {
    if (output == nullptr) return;
    keep_what_is_there(plan, output->record(), cache_directory);
    if (!is_all_kept(plan)) output->begin_rebuild(plan);
    for (const auto& [name, file] : output->record().files)
      if (name.starts_with("shard-")) plan.reusable_shards.push_back(name);
    text = to_json_text(plan);
  });
  world.broadcast(text, 0);
  return parse_cache_plan(text);
}

// (all ranks)
void build_shards(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                  ImageLoader& loader, const CacheProgress& progress, OutputDirectory* output,
                  CacheReport& report) {
  std::unique_ptr<ShardBuilder> builder;
  comm::agree(world, [&] { builder = std::make_unique<ShardBuilder>(options, plan, world, loader, output); });
  ProgressCount count(plan, world, progress);
  for (const PlannedShard& shard : plan.shards) {
    if (shard.is_kept) continue;
    const ShardResult result = builder->build(shard, [&] { count.picture_done(); });
    count.shard_done(shard);
    report.pictures_encoded += result.encoded_count;
    report.skipped.insert(report.skipped.end(), result.skipped.begin(), result.skipped.end());
  }
}

// (all ranks)
void build_text(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                OutputDirectory* output) {
  build_text_file(options, plan, world);
  comm::agree(world, [&] {
    const auto caption_count = static_cast<int64_t>(plan.captions.size());
    if (output != nullptr)
      output->add_finished(describe_file(options.output / kTextFileName, caption_count), {});
  });
}

[[noreturn]] void fail_without_samples(const CacheOptions& options,
                                       const std::vector<SkippedImage>& skipped) {
  throw Error(ExitCode::kBadData, Problem{.what = "not one image could be cached",
                                          .seen = named_list(skipped),
                                          .where = options.images.string()});
}

Manifest manifest_of(const CacheOptions& options, const CachePlan& plan, const CacheRecord& record,
                     const std::vector<SkippedImage>& skipped) {
  Manifest manifest{
      .settings = plan.settings, .shards = {}, .text = record.files.at(kTextFileName), .skipped = skipped};
  for (const PlannedShard& shard : plan.shards)
    if (const auto file = record.files.find(shard.file_name); file != record.files.end())
      manifest.shards.push_back(file->second);
  if (manifest.shards.empty()) fail_without_samples(options, skipped);
  return manifest;
}

}  // namespace

CacheReport cache_latents(const CacheOptions& options, comm::Communicator& world, ImageLoader& loader,
                          const CacheProgress& progress) {
  use_one_thread_per_kernel();

  // 1. One owner of the output directory
  std::unique_ptr<OutputDirectory> output;  // rank 0 only
  comm::agree(world, [&] {
    if (world.rank() == 0) output = std::make_unique<OutputDirectory>(options.output);
  });

  // 2. What must be there, and what is there already
  const CachePlan plan =
      broadcast_plan(gather_cache_inputs(options, world), output.get(), options.output, world);
  CacheReport report{.skipped = plan.skipped};

  // 3. Make the rest
  if (!is_all_kept(plan)) build_shards(options, plan, world, loader, progress, output.get(), report);
  if (!plan.is_text_kept) build_text(options, plan, world, output.get());

  // 4. The manifest, last
  std::sort(report.skipped.begin(), report.skipped.end(),
            [](const SkippedImage& left, const SkippedImage& right) { return left.source < right.source; });
  comm::agree(world, [&] {
    if (!output) return;
    const Manifest manifest = manifest_of(options, plan, output->record(), report.skipped);
    report.has_changed = output->finish(manifest);
    report.sample_count = manifest.sample_count();
    report.shard_count = static_cast<int64_t>(manifest.shards.size());
  });
  report.caption_count = static_cast<int64_t>(plan.captions.size());
  report.shards_kept = std::count_if(plan.shards.begin(), plan.shards.end(),
                                     [](const PlannedShard& shard) { return shard.is_kept; });
  return report;
}

}  // namespace sdlora::data
