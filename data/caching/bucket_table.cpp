#include "data/caching/bucket_table.h"

#include <numeric>
#include <vector>

#include <fmt/format.h>

#include "common/error.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {
namespace {

struct BucketRow {
  std::string name;
  int64_t picture_count = 0;
  int64_t repeated_count = 0;
  double kept = 0;  // shares of the pictures' areas, together
  int64_t enlarged_count = 0;

  void add(const BucketRow& other) {
    picture_count += other.picture_count;
    repeated_count += other.repeated_count;
    kept += other.kept;
    enlarged_count += other.enlarged_count;
  }
};

BucketRow row_of(const ShardFile& shard) {
  BucketRow row{.name = to_text(shard.header().picture_size), .picture_count = shard.picture_count()};
  const std::vector<int64_t> repeats = shard.read_repeats();
  row.repeated_count =
      repeats.empty() ? row.picture_count : std::accumulate(repeats.begin(), repeats.end(), int64_t{0});
  for (const PictureFit& fit : shard.read_fit()) {
    row.kept += fit.kept_share();
    row.enlarged_count += fit.is_enlarged() ? 1 : 0;
  }
  return row;
}

std::string line_of(const BucketRow& row) {
  const double lost_percent = 100 * (1 - row.kept / static_cast<double>(row.picture_count));
  return fmt::format("{:<10} {:>9} {:>9} {:>8.1f} % {:>9}\n", row.name, row.picture_count, row.repeated_count,
                     lost_percent, row.enlarged_count);
}

}  // namespace

std::string bucket_table(const std::filesystem::path& cache_directory, const Manifest& manifest) {
  std::vector<BucketRow> rows;  // the shards of a bucket follow one another
  BucketRow all{.name = "all"};
  for (const ManifestFile& file : manifest.shards) {
    const ShardFile shard(cache_directory / file.name);
    if (!shard.has_fits() || shard.picture_count() != file.row_count)
      throw Error(ExitCode::kBadData, {.what = "a file does not belong to this cache",
                                       .where = (cache_directory / file.name).string(),
                                       .advice = "run cache_latents again: it makes anew what does not fit"});
    const BucketRow row = row_of(shard);
    if (rows.empty() || rows.back().name != row.name) rows.push_back({.name = row.name});
    rows.back().add(row);
    all.add(row);
  }
  std::string text = fmt::format("{:<10} {:>9} {:>9} {:>10} {:>9}\n", "bucket", "pictures", "an epoch",
                                 "cropped", "enlarged");
  for (const BucketRow& row : rows) text += line_of(row);
  return text + line_of(all);
}

}  // namespace sdlora::data
