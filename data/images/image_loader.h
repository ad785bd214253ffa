// Loads images in processes of their own, one per image: a decoder that crashes, hangs or eats memory costs
// that image and not the run, and decoding goes on beside the encoding of earlier images.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <string>

#include <sys/types.h>

#include "data/images/picture_fit.h"
#include "data/images/picture_mask.h"

namespace sdlora::data {

// The reason when a decoder's process ended without a word. It may have been the machine's fault: worth
// another try.
inline constexpr const char* kDecoderDied = "the decoder crashed, or took too much time or memory";

struct LoadedImage {
  std::string sha256;           // of the file's bytes that were decoded; empty when it could not be read
  std::string mask_sha256;      // likewise of its mask's file; empty, too, where none is wanted
  std::string rgb;              // height × width × 3 bytes, as decode_cropped; empty for an unusable image
  std::string mask;             // height × width bytes, as crop_mask; empty, too, where none is wanted
  std::string unusable_reason;  // empty for a usable image
};

class ImageLoader {
 public:
  // Forks the process that will fork the decoders. Call it first thing in main: before MPI, threads and the
  // GPU, none of which survive a fork. A failure is kept and thrown by the first request().
  ImageLoader();
  ~ImageLoader();
  ImageLoader(const ImageLoader&) = delete;
  ImageLoader& operator=(const ImageLoader&) = delete;

  // Starts loading. Each request is a process at work or waiting to be read: keep only as many as there are
  // cores. `fit` as planned (decode_cropped). `mask_file`: of a mask by a file. Throws Error(kInternal).
  void request(const std::filesystem::path& file, const PictureFit& fit, MaskKind mask = MaskKind::kNone,
               const std::filesystem::path& mask_file = {});

  void request(const std::filesystem::path& file, const PictureSize& size) {
    request(file, unplanned_fit(size));
  }

  // The result of the oldest request, waiting for it if need be.
  LoadedImage take();

  int64_t pending_count() const { return static_cast<int64_t>(results_.size()); }

 private:
  int request_socket_ = -1;
  pid_t spawner_ = -1;
  std::string failure_;

  struct Result {
    int pipe;  // the reading end of the decoder's
    PictureSize size;
  };

  std::deque<Result> results_;  // oldest first
};

}  // namespace sdlora::data
