#include "data/caching/picture_encoder.h"

#include <mutex>
#include <utility>

#include <ATen/ATen.h>

#include "data/caching/stop_request.h"
#include "data/caching/worker_threads.h"

namespace sdlora::data {

PictureEncoder::PictureEncoder(const CacheOptions& options, const CachePlan& plan, ImageLoader& loader,
                               int64_t decoder_count)
    : options_(options),
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
      encoded[sample] = {.latents = *known, .is_reused = true};
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
        loader_.request(options_.images / samples[to_encode[requested]].source,
                        samples[to_encode[requested]].fit_or_square(plan_.settings));
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

EncodedPicture PictureEncoder::encode_one(const PlannedSample& sample, const LoadedImage& image) {
  if (!image.sha256.empty() && image.sha256 != sample.source_sha256) return {.changed_sha256 = image.sha256};
  if (is_stop_requested(options_)) return {};
  if (!image.unusable_reason.empty()) return {.unusable_reason = image.unusable_reason};
  const at::Tensor latents = encoder_.encode(image.rgb, sample.fit_or_square(plan_.settings).size);
  if (!at::isfinite(latents).all().item<bool>())
    return {.unusable_reason = "the VAE makes latents of it that are not finite"};
  return {.latents = latents};
}

}  // namespace sdlora::data
