#include "data/caching/picture_subset.h"

#include <algorithm>

#include "common/error.h"
#include "data/caching/dataset_config.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path above = fs::weakly_canonical(outer, error), below = fs::weakly_canonical(inner, error);
  return std::mismatch(above.begin(), above.end(), below.begin(), below.end()).first == above.end();
}

// What the command line says of pictures.
PictureSubset plain_subset(const CacheOptions& options) {
  PictureSubset subset{.entry = {}, .folder = options.images};
  subset.size = square(options.image_size);
  if (options.has_buckets) subset.buckets = options.buckets;
  subset.captions = options.captions;
  subset.mask = options.mask;
  if (options.folder_repeats == FolderRepeats::kOff) subset.repeats = 1;
  return subset;
}

}  // namespace

MaskKind common_mask_kind(const std::vector<PictureSubset>& subsets) {
  const bool are_alike = std::all_of(subsets.begin(), subsets.end(), [&](const PictureSubset& subset) {
    return subset.mask == subsets.front().mask;
  });
  return are_alike ? subsets.front().mask : MaskKind::kFile;
}

std::vector<PictureSubset> subsets_of(const CacheOptions& options, const std::string& dataset_config) {
  const PictureSubset plain = plain_subset(options);
  if (!options.dataset_config.empty()) {
    std::vector<PictureSubset> subsets = parse_dataset_config(dataset_config, options.dataset_config, plain);
    const auto differs = [&](const PictureSubset& one) {
      return one.size != subsets.front().size || one.buckets != subsets.front().buckets ||
             !one.size.is_square();
    };
    if (std::any_of(subsets.begin(), subsets.end(), differs))
      for (PictureSubset& subset : subsets) subset.entry.size = subset.size;
    return subsets;
  }
  std::vector<PictureSubset> subsets = {plain};
  if (options.reg_images.empty()) return subsets;
  PictureSubset& reg = subsets.emplace_back(plain);
  reg.entry = {.name = "reg", .is_reg = true};
  reg.folder = options.reg_images;
  reg.captions.for_the_rest.reset();
  reg.captions.last_way = "or folders named as 1_WORDS";
  return subsets;
}

void check_subsets(const CacheOptions& options) {
  std::error_code error;
  if (!options.dataset_config.empty() && !fs::exists(options.dataset_config, error))
    throw Error(ExitCode::kUsage, {.what = "the data-set file does not exist",
                                   .where = options.dataset_config.string(),
                                   .advice = "check --dataset-config"});
  if (options.reg_images.empty()) return;
  if (!lies_in(options.reg_images, options.images) && !lies_in(options.images, options.reg_images)) return;
  throw Error(ExitCode::kUsage,
              {.what = "the pictures to be learnt and the regularisation pictures lie in one folder",
               .expected = "--images and --reg-images, neither within the other",
               .seen = options.images.string() + " and " + options.reg_images.string(),
               .advice = "put them beside each other, as kohya's img and reg"});
}

}  // namespace sdlora::data
