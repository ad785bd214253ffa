#include "data/caching/picture_encoder.h"

#include <mutex>
#include <utility>

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "data/caching/stop_request.h"
#include "data/caching/worker_threads.h"

namespace sdlora::data {
namespace {

// [h, w] f32: of each cell of the latents the mean over its pixels, as kohya's "area" (sd-scripts,
// apply_masked_loss). `mask`: height × width bytes; empty: all counts.
at::Tensor mask_of_cells(const std::string& mask, const PictureSize& size, int64_t high, int64_t wide) {
  if (mask.empty()) return at::ones({high, wide}, at::kFloat);
  const at::Tensor pixels =
      at::from_blob(const_cast<char*>(mask.data()), {size.height, size.width}, at::TensorOptions(at::kByte));
  const int64_t cell = size.height / high;
  const at::Tensor sums = pixels.reshape({high, cell, wide, cell}).sum(at::IntArrayRef{1, 3});  // i64, exact
  return sums.to(at::kFloat).div(static_cast<double>(255 * cell * cell));
}

}  // namespace

PictureEncoder::PictureEncoder(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                               const CachePlan& plan, ImageLoader& loader, int64_t decoder_count)
    : options_(options),
      subsets_(subsets),
      plan_(plan),
      loader_(loader),
      decoder_count_(decoder_count),
      encoder_(model::ModelSource(options.model, options.vae), options.device,
               dtype_of(options.mixed_precision), plan.settings.flip),
      previous_(options.output, plan) {}

std::vector<EncodedPicture> PictureEncoder::encode(const std::vector<PlannedSample>& samples,
                                                   const PictureDone& picture_done) {
  std::vector<EncodedPicture> encoded(samples.size());
  std::vector<size_t> to_encode;
  for (size_t sample = 0; sample < samples.size(); ++sample) {
    if (is_stop_requested(options_)) return encoded;
    if (const auto known = previous_.find(samples[sample])) {
      encoded[sample] = {.latents = known->latents, .mask = known->mask, .is_reused = true};
      picture_done(/*is_reused=*/true);
    } else {
      to_encode.push_back(sample);
    }
  }
  std::mutex mutex;
  size_t requested = 0;
  size_t taken = 0;
  run_on_threads(thread_count(), [&] {
    std::unique_lock lock(mutex);
    while (taken < to_encode.size()) {
      for (; requested < to_encode.size() && loader_.pending_count() < decoder_count_; ++requested)
        request(samples[to_encode[requested]]);
      const size_t sample = to_encode[taken++];
      const LoadedImage image = loader_.take();
      lock.unlock();
      EncodedPicture picture = encode_one(samples[sample], image);
      lock.lock();
      encoded[sample] = std::move(picture);
      picture_done(/*is_reused=*/false);
    }
  });
  return encoded;
}

void PictureEncoder::request(const PlannedSample& sample) {
  const PictureSubset& subset = subsets_[static_cast<size_t>(sample.subset)];
  const std::filesystem::path mask_file =
      sample.mask_name.empty() ? std::filesystem::path() : subset.masks_root() / sample.mask_name;
  const bool has_mask = subset.mask == MaskKind::kAlpha || !mask_file.empty();
  loader_.request(subset.file_of(sample.source), sample.fit_or_square(plan_.settings),
                  has_mask ? subset.mask : MaskKind::kNone, mask_file);
}

EncodedPicture PictureEncoder::encode_one(const PlannedSample& sample, const LoadedImage& image) {
  if (!image.sha256.empty() && image.sha256 != sample.source_sha256)
    return {.change = fmt::format("SHA-256 {}, now {}", sample.source_sha256, image.sha256)};
  if (!image.mask_sha256.empty() && image.mask_sha256 != sample.mask_sha256)
    return {.change = fmt::format("its mask: SHA-256 {}, now {}", sample.mask_sha256, image.mask_sha256)};
  if (is_stop_requested(options_)) return {};
  if (!image.unusable_reason.empty()) return {.unusable_reason = image.unusable_reason};
  const PictureSize size = sample.fit_or_square(plan_.settings).size;
  const at::Tensor latents = encoder_.encode(image.rgb, size);  // [planes, 4, h, w]
  if (!at::isfinite(latents).all().item<bool>())
    return {.unusable_reason = "the VAE makes latents of it that are not finite"};
  EncodedPicture encoded{.latents = latents};
  if (plan_.settings.mask != MaskKind::kNone)
    encoded.mask = mask_of_cells(image.mask, size, latents.size(2), latents.size(3));
  return encoded;
}

}  // namespace sdlora::data
