// One rank's pictures to latents: taken from an earlier run, or decoded by processes and encoded by threads.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"
#include "data/caching/latent_encoder.h"
#include "data/caching/picture_subset.h"
#include "data/caching/previous_latents.h"
#include "data/images/image_loader.h"

namespace sdlora::data {

struct EncodedPicture {
  at::Tensor latents = {};           // [planes, 4, h, w] f32 on the CPU, or undefined
  at::Tensor mask = {};              // [h, w] f32, 0 … 1; undefined in a cache without masks, too
  std::string unusable_reason = {};  // why there are none; empty, too: left out, a stop was requested
  bool is_reused = false;
  std::string change = {};  // by which a file is another than was planned, in words

  bool is_left_out() const { return !latents.defined() && unusable_reason.empty() && change.empty(); }
};

using PictureDone = std::function<void(bool is_reused)>;

class PictureEncoder {
 public:
  // Keeps references to options, subsets, plan and loader. `decoder_count`: images that are decoded at a
  // time.
  PictureEncoder(const CacheOptions& options, const std::vector<PictureSubset>& subsets,
                 const CachePlan& plan, ImageLoader& loader, int64_t decoder_count);

  // In the order of `samples`. `picture_done` is called after each, by one thread at a time. When a stop is
  // requested, what has not begun is left out.
  std::vector<EncodedPicture> encode(const std::vector<PlannedSample>& samples,
                                     const PictureDone& picture_done);

  int thread_count() const { return options_.device.is_cuda() ? 1 : options_.encoder_threads; }

 private:
  void request(const PlannedSample& sample);
  EncodedPicture encode_one(const PlannedSample& sample, const LoadedImage& image);

  const CacheOptions& options_;
  const std::vector<PictureSubset>& subsets_;
  const CachePlan& plan_;
  ImageLoader& loader_;
  int64_t decoder_count_;
  LatentEncoder encoder_;
  PreviousLatents previous_;
};

}  // namespace sdlora::data
