#include "data/caching/crop_summary.h"

#include <fmt/format.h>

#include "data/images/picture_fit.h"

namespace sdlora::data {
namespace {

constexpr double kLargeLoss = 1.0 / 3;  // of a picture's area
constexpr int64_t kLargeEnlargement = 2;

}  // namespace

std::string crop_summary(const std::vector<PictureSize>& originals, const PictureSize& size) {
  double kept = 0;  // shares, each picture alike
  int64_t much_lost_count = 0, enlarged_count = 0, much_enlarged_count = 0;
  for (const PictureSize& original : originals) {
    const PictureFit fit = fit_to_cover(original, size);
    kept += fit.kept_share();
    much_lost_count += fit.kept_share() < 1 - kLargeLoss ? 1 : 0;
    enlarged_count += fit.is_enlarged() ? 1 : 0;
    much_enlarged_count += fit.resized.width > kLargeEnlargement * original.width ? 1 : 0;
  }
  return fmt::format(
      "cropped to {}: {:.0f} % of the pictures' area is kept; {} of {} pictures lose more than a third; "
      "{} are enlarged, {} of them more than twice",
      in_words(size), 100 * kept / static_cast<double>(originals.size()), much_lost_count, originals.size(),
      enlarged_count, much_enlarged_count);
}

}  // namespace sdlora::data
