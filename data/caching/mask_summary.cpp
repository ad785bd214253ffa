#include "data/caching/mask_summary.h"

#include <vector>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "common/error.h"
#include "common/text_list.h"
#include "data/shards/shard_reader.h"

namespace sdlora::data {

std::string mask_summary(const std::filesystem::path& cache_directory, const Manifest& manifest) {
  int64_t masked_count = 0, cell_count = 0;
  double counting = 0;  // cells
  std::vector<std::string> black;
  for (const ManifestFile& file : manifest.shards) {
    const ShardFile shard(cache_directory / file.name);
    const at::Tensor masks = shard.read_masks();  // [N, h, w]
    if (!masks.defined())
      throw Error(ExitCode::kBadData, {.what = "a file does not belong to this cache: it has no masks",
                                       .where = (cache_directory / file.name).string(),
                                       .advice = "run cache_latents again: it makes anew what does not fit"});
    const std::vector<std::string> sources = shard.read_source();
    cell_count += masks.numel();
    counting += masks.sum(at::kDouble).item<double>();
    for (int64_t row = 0; row < masks.size(0); ++row) {
      masked_count += masks[row].lt(1).any().item<bool>() ? 1 : 0;
      if (!masks[row].any().item<bool>()) black.push_back(sources[static_cast<size_t>(row)]);
    }
  }
  std::string text =
      fmt::format("masks leave out something of {} of {} pictures; {:.1f} % of all cells count", masked_count,
                  manifest.picture_count(), 100 * counting / static_cast<double>(cell_count));
  if (!black.empty())
    text += fmt::format("; nothing at all counts of {}:{}", black.size(), indented_list(black));
  return text;
}

}  // namespace sdlora::data
