#include "inference/png_file.h"

#include <algorithm>
#include <vector>

#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <zlib.h>

#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::inference {
namespace {

// Signature, then IHDR (length, type, 13 bytes, CRC): text may follow (PNG specification, section 11.3.4).
constexpr size_t kAfterHeader = 8 + 4 + 4 + 13 + 4;

std::string big_endian(size_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift & 0xFF));
  return bytes;
}

std::string text_chunk(std::string text) {
  std::erase(text, '\0');  // it would end the text
  const bool is_ascii = std::all_of(text.begin(), text.end(), [](char c) { return (c & 0x80) == 0; });
  const std::string keyword("parameters\0", 11);
  // iTXt has four more fields: not compressed, method 0, no language, no translated keyword.
  const std::string body =
      is_ascii ? "tEXt" + keyword + text : "iTXt" + keyword + std::string(4, '\0') + text;
  const auto* bytes = reinterpret_cast<const Bytef*>(body.data());
  return big_endian(body.size() - 4) + body + big_endian(::crc32_z(0, bytes, body.size()));
}

}  // namespace

void write_png(const std::filesystem::path& file, const at::Tensor& rgb, const std::string& parameters) {
  const cv::Mat picture(static_cast<int>(rgb.size(0)), static_cast<int>(rgb.size(1)), CV_8UC3,
                        rgb.data_ptr<uint8_t>());
  cv::Mat bgr;
  cv::cvtColor(picture, bgr, cv::COLOR_RGB2BGR);
  std::vector<uint8_t> encoded;
  if (!cv::imencode(".png", bgr, encoded) || encoded.size() < kAfterHeader)
    throw Error(ExitCode::kInternal, {.what = "cannot encode a picture", .where = file.string()});
  std::string bytes(encoded.begin(), encoded.end());
  bytes.insert(kAfterHeader, text_chunk(parameters));
  write_text_atomically(file, bytes);
}

}  // namespace sdlora::inference
