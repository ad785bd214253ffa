#include "data/caching/picture_subset.h"

#include <algorithm>

#include "common/error.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

bool lies_in(const fs::path& inner, const fs::path& outer) {
  std::error_code error;
  const fs::path above = fs::weakly_canonical(outer, error), below = fs::weakly_canonical(inner, error);
  return std::mismatch(above.begin(), above.end(), below.begin(), below.end()).first == above.end();
}

}  // namespace

std::vector<PictureSubset> subsets_of(const CacheOptions& options) {
  std::vector<PictureSubset> subsets = {{.entry = {}, .folder = options.images}};
  if (!options.reg_images.empty())
    subsets.push_back({.entry = {.name = "reg", .is_reg = true}, .folder = options.reg_images});
  return subsets;
}

void check_subsets(const CacheOptions& options) {
  if (options.reg_images.empty()) return;
  if (!lies_in(options.reg_images, options.images) && !lies_in(options.images, options.reg_images)) return;
  throw Error(ExitCode::kUsage,
              {.what = "the pictures to be learnt and the regularisation pictures lie in one folder",
               .expected = "--images and --reg-images, neither within the other",
               .seen = options.images.string() + " and " + options.reg_images.string(),
               .advice = "put them beside each other, as kohya's img and reg"});
}

fs::path file_of(const CacheOptions& options, const PlannedSample& sample) {
  return subsets_of(options)[static_cast<size_t>(sample.subset)].file_of(sample.source);
}

}  // namespace sdlora::data
