#include "data/images/aspect_buckets.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "common/error.h"
#include "data/images/image_bytes.h"
#include "data/images/image_header.h"

namespace sdlora::data {
namespace {

double ratio_of(const PictureSize& size) {
  return static_cast<double>(size.width) / static_cast<double>(size.height);
}

int64_t half_up(double pixels) {  // as int(x + 0.5)
  return static_cast<int64_t>(std::floor(pixels + 0.5));
}

int64_t whole_steps(int64_t pixels, int64_t step) {
  return pixels - pixels % step;
}

int64_t least_side_of(const BucketRules& rules) {
  return whole_steps(rules.least_side, rules.step);
}

int64_t greatest_side_of(const BucketRules& rules) {
  return whole_steps(rules.greatest_side + rules.step - 1, rules.step);
}

// The bucket whose ratio of width to height is nearest, of several the first; the picture's own size where
// that is one.
PictureSize nearest(const std::vector<PictureSize>& sizes, const PictureSize& original) {
  if (std::find(sizes.begin(), sizes.end(), original) != sizes.end()) return original;
  const double wanted = ratio_of(original);
  return *std::min_element(sizes.begin(), sizes.end(), [&](const PictureSize& a, const PictureSize& b) {
    return std::abs(ratio_of(a) - wanted) < std::abs(ratio_of(b) - wanted);
  });
}

// Covers the bucket. At least as large: the rounded side may fall one pixel short where the ratios are equal.
PictureFit fit_to_bucket(const PictureSize& original, const PictureSize& bucket) {
  const bool is_wider = ratio_of(original) > ratio_of(bucket);
  const double scale = is_wider ? static_cast<double>(bucket.height) / static_cast<double>(original.height)
                                : static_cast<double>(bucket.width) / static_cast<double>(original.width);
  const auto scaled = [&](int64_t side, int64_t at_least) {
    return std::max(at_least, half_up(static_cast<double>(side) * scale));
  };
  return {.original = original,
          .resized = {scaled(original.width, bucket.width), scaled(original.height, bucket.height)},
          .size = bucket};
}

// To at most the given area: one side a multiple of the step, whichever changes the ratio less.
PictureSize shrunk(const PictureSize& original, int64_t most_area, int64_t step) {
  const double ratio = ratio_of(original);
  const double width = std::sqrt(static_cast<double>(most_area) * ratio);
  const double height = static_cast<double>(most_area) / width;
  const auto steps_near = [step](double pixels) { return whole_steps(half_up(pixels), step); };
  const int64_t by_width = steps_near(width), by_height = steps_near(height);
  const int64_t its_height = steps_near(static_cast<double>(by_width) / ratio);
  const int64_t its_width = steps_near(static_cast<double>(by_height) * ratio);
  const auto error = [&](int64_t wide, int64_t high) {
    return wide == 0 || high == 0 ? std::numeric_limits<double>::infinity()
                                  : std::abs(ratio_of({wide, high}) - ratio);
  };
  if (error(by_width, its_height) < error(its_width, by_height))
    return {by_width, half_up(static_cast<double>(by_width) / ratio)};
  return {half_up(static_cast<double>(by_height) * ratio), by_height};
}

void check(const PictureSize& area_of, const BucketRules& rules) {
  const auto refuse = [](const char* what, const std::string& expected, int64_t seen) {
    throw Error(ExitCode::kUsage, {.what = what, .expected = expected, .seen = fmt::format("{}", seen)});
  };
  if (rules.step < 1 || rules.step > kMaxSidePixels)
    refuse("--bucket-step is out of range", fmt::format("1 … {}", kMaxSidePixels), rules.step);
  if (rules.no_upscale) {
    const BucketRules usual;
    if (rules.least_side != usual.least_side || rules.greatest_side != usual.greatest_side)
      throw Error(ExitCode::kUsage,
                  {.what = "--bucket-min and --bucket-max do nothing with --bucket-no-upscale",
                   .seen = fmt::format("{} and {}", rules.least_side, rules.greatest_side),
                   .advice = "leave them out: the shapes follow from the pictures"});
    return;
  }
  if (rules.least_side > kMaxSidePixels)
    refuse("--bucket-min is out of range", fmt::format("1 … {}", kMaxSidePixels), rules.least_side);
  if (rules.greatest_side > kMaxSidePixels || greatest_side_of(rules) > kMaxSidePixels)
    refuse("--bucket-max is out of range", fmt::format("1 … {}", kMaxSidePixels), rules.greatest_side);
  const int64_t shorter = std::min(area_of.width, area_of.height);
  const int64_t longer = std::max(area_of.width, area_of.height);
  if (least_side_of(rules) < 1 || least_side_of(rules) > shorter)
    refuse("--bucket-min does not fit --bucket-step and --img-size",
           fmt::format("{} … {}", rules.step, shorter), rules.least_side);
  if (greatest_side_of(rules) < longer)
    refuse("--bucket-max does not fit --img-size", fmt::format("{} or more", longer), rules.greatest_side);
}

}  // namespace

std::string in_words(const BucketRules& rules) {
  if (rules.no_upscale) return fmt::format("in steps of {} pixels, never enlarged", rules.step);
  return fmt::format("{} … {} pixels in steps of {}", rules.least_side, rules.greatest_side, rules.step);
}

std::vector<PictureSize> bucket_sizes(const PictureSize& area_of, const BucketRules& rules) {
  const int64_t step = rules.step, most_area = area_of.area();
  const int64_t least = least_side_of(rules), greatest = greatest_side_of(rules);
  const int64_t side = whole_steps(static_cast<int64_t>(std::sqrt(static_cast<double>(most_area))), step);
  std::set<std::pair<int64_t, int64_t>> sizes{{side, side}};
  for (int64_t width = least; width <= greatest; width += step) {
    const int64_t height = std::min(greatest, whole_steps(most_area / width, step));
    if (height < least) continue;
    sizes.insert({width, height});
    sizes.insert({height, width});
  }
  std::vector<PictureSize> sorted;
  sorted.reserve(sizes.size());
  for (const auto& [width, height] : sizes) sorted.push_back({width, height});
  return sorted;
}

AspectBuckets::AspectBuckets(const PictureSize& area_of, const BucketRules& rules)
    : area_of_(area_of), rules_(rules) {
  check(area_of, rules);
  if (!rules.no_upscale) sizes_ = bucket_sizes(area_of, rules);
}

PictureFit AspectBuckets::fit(const PictureSize& original) const {
  if (!rules_.no_upscale) return fit_to_bucket(original, nearest(sizes_, original));
  const PictureSize resized =
      original.area() > area_of_.area() ? shrunk(original, area_of_.area(), rules_.step) : original;
  const PictureSize size{whole_steps(resized.width, rules_.step), whole_steps(resized.height, rules_.step)};
  if (size.area() == 0)
    throw UnusableImage(
        fmt::format("{} x {} pixels: for --bucket-no-upscale a side is shorter than "
                    "--bucket-step {}",
                    original.width, original.height, rules_.step));
  return {.original = original, .resized = resized, .size = size};
}

}  // namespace sdlora::data
