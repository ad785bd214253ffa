#include <algorithm>
#include <array>
#include <string>

#include <zlib.h>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr uint64_t kSignatureBytes = 8;
constexpr size_t kMostTextBytes = size_t{4} << 20;  // of compressed text, taken out
constexpr int kMostTexts = 100;                     // that are looked at: a file may hold millions
constexpr uint8_t kGrey = 0;                        // colour type

// Empty when it is damaged, or more than that.
std::string inflated(std::string_view compressed) {
  z_stream stream{};
  if (::inflateInit(&stream) != Z_OK) return "";
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(compressed.data()));
  stream.avail_in = static_cast<uInt>(compressed.size());
  std::string text;
  std::array<char, size_t{4} << 10> piece{};
  int state = Z_OK;
  while (state == Z_OK && text.size() <= kMostTextBytes) {
    stream.next_out = reinterpret_cast<Bytef*>(piece.data());
    stream.avail_out = static_cast<uInt>(piece.size());
    state = ::inflate(&stream, Z_NO_FLUSH);  // Z_BUF_ERROR where the data ends too early
    text.append(piece.data(), piece.size() - stream.avail_out);
  }
  ::inflateEnd(&stream);
  return state == Z_STREAM_END && text.size() <= kMostTextBytes ? text : "";
}

// Takes from the front of `data` what stands before the next zero byte, and that byte.
std::string_view taken_word(std::string_view& data) {
  const size_t end = std::min(data.find('\0'), data.size());
  const std::string_view word = data.substr(0, end);
  data.remove_prefix(std::min(end + 1, data.size()));
  return word;
}

// Text of a tEXt, zTXt or iTXt chunk whose keyword is `keyword`; else empty. PNG specification, 11.3.4.
std::string text_of(std::string_view type, std::string_view data, std::string_view keyword) {
  if (taken_word(data) != keyword) return "";
  if (type == "tEXt") return std::string(data);
  if (type == "zTXt") return data.empty() ? "" : inflated(data.substr(1));
  if (type != "iTXt" || data.size() < 2) return "";
  const bool is_compressed = data[0] != 0;
  data.remove_prefix(2);
  taken_word(data);  // language
  taken_word(data);  // the keyword in it
  return is_compressed ? inflated(data) : std::string(data);
}

int hexadecimal_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
  return -1;
}

// ImageMagick's "Raw profile type exif": an empty line, the name, the size, then hexadecimal digits in lines.
std::string raw_profile(std::string_view text) {
  for (int line = 0; line < 3 && !text.empty(); ++line)
    text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
  std::string bytes;
  int high = -1;
  for (const char letter : text) {
    const int value = hexadecimal_value(letter);
    if (value < 0) continue;
    if (high >= 0) bytes += static_cast<char>(high << 4 | value);
    high = high >= 0 ? -1 : value;
  }
  return bytes;
}

}  // namespace

// Chunks: length (4), type (4), data, checksum (4); PNG specification, section 5.
ImageHeader read_png_header(std::string_view file_bytes) {
  const ImageBytes bytes(file_bytes);
  ImageHeader header{.kind = ImageKind::kPng};
  if (!bytes.has_at(12, "IHDR"sv)) throw UnusableImage("a PNG without its header");
  header.width = bytes.big_endian(16, 4);
  header.height = bytes.big_endian(20, 4);
  const uint8_t bits = bytes.u8(24), colour_type = bytes.u8(25);
  Orientation orientation;
  std::string raw;
  int texts_left = kMostTexts;
  for (uint64_t offset = kSignatureBytes;
       offset + 8 <= bytes.size() && !bytes.has_at(offset + 4, "IEND"sv);) {
    const uint64_t length = bytes.big_endian(offset, 4);
    const std::string_view type = bytes.slice(offset + 4, 4);
    const std::string_view data = file_bytes.substr(offset + 8, length);
    // libpng makes room for as much as a chunk says that it has, up to 2 GiB; pixels it takes piece by piece.
    if (data.size() < length && type != "IDAT") throw UnusableImage("a PNG that is cut off");
    if (type == "eXIf") orientation.see_exif(data);
    if (type == "tRNS" && colour_type == kGrey && data.size() >= 2)
      header.transparent_grey =
          TransparentGrey{static_cast<uint16_t>(ImageBytes(data).big_endian(0, 2)), bits};
    if ((type == "tEXt" || type == "zTXt" || type == "iTXt") && texts_left > 0) {
      --texts_left;
      if (raw.empty()) raw = text_of(type, data, "Raw profile type exif");
      orientation.see_xmp(text_of(type, data, "XML:com.adobe.xmp"));
    }
    offset += 12 + length;
  }
  if (!raw.empty()) orientation.see_exif(raw_profile(raw));
  header.orientation = orientation.value();
  return header;
}

}  // namespace sdlora::data
