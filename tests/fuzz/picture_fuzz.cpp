// A picture: its header, its EXIF, its container, and its pixels. Decoders run in processes of their own in
// cache_latents; here they run in this one, and what they do wrong in memory is the fuzzer's to see.
#include <cstdlib>
#include <string>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/image_pixels.h"
#include "data/images/orientation.h"
#include "data/images/webp_container.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

// Decoding a large picture takes seconds and finds nothing more.
constexpr int64_t kMostPixels = 1 << 18;

// libheif, libavif and libjxl are no readers of ours, and take seconds of the time for a file.
bool is_fuzzed_by_its_makers(data::ImageKind kind) {
  return kind == data::ImageKind::kHeic || kind == data::ImageKind::kAvif || kind == data::ImageKind::kJxl;
}

template <typename Read>
void expect_orderly(Read&& read) {
  try {
    read();
  } catch (const data::UnusableImage& reason) {
    fuzz::judge_message(reason.what());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const int orientation = data::exif_orientation(bytes).value_or(data::xmp_orientation(bytes).value_or(1));
  if (orientation < 1 || orientation > 8) std::abort();
  expect_orderly([&] { (void)data::read_jpeg_header(bytes); });
  expect_orderly([&] { (void)data::read_webp_header(bytes); });
  expect_orderly([&] { (void)data::still_webp(bytes); });
  expect_orderly([&] {
    const data::ImageHeader header = data::read_image_header(bytes);
    if (header.width < 1 || header.height < 1) std::abort();
    if (header.width * header.height > kMostPixels || is_fuzzed_by_its_makers(header.kind)) return;
    const auto pixels = data::decode_cropped(bytes, {.width = 16, .height = 8});
    if (pixels.size() != 16 * 8 * 3) std::abort();
  });
  return 0;
}
