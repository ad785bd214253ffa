#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "data/images/image_bytes.h"
#include "data/images/image_header.h"
#include "data/images/iso_boxes.h"
#include "data/images/orientation.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

// ISO 18181-1, A.1: fields of bits, the lowest first.
class Bits {
 public:
  explicit Bits(std::string_view bytes) : bytes_(bytes), byte_count_(bytes.size()) {}

  // Whether there are so many more.
  bool has(uint32_t count) const { return at_ + count <= 8 * byte_count_; }

  uint32_t take(uint32_t count) {
    uint32_t value = 0;
    for (uint32_t bit = 0; bit < count; ++bit, ++at_)
      value |= static_cast<uint32_t>(bytes_.u8(at_ / 8) >> (at_ % 8) & 1) << bit;
    return value;
  }

 private:
  ImageBytes bytes_;
  uint64_t byte_count_;
  uint64_t at_ = 0;
};

// A side in pixels, in one of four widths of field.
int64_t take_side(Bits& bits) {
  constexpr std::array<uint32_t, 4> kWidths = {9, 13, 18, 30};
  const uint32_t choice = bits.take(2);
  return int64_t{bits.take(kWidths[choice])} + 1;
}

// width : height by the ratio's number; 0 stands for a width of its own.
constexpr std::array<std::pair<int64_t, int64_t>, 8> kRatios = {
    {{0, 0}, {1, 1}, {12, 10}, {4, 3}, {3, 2}, {16, 9}, {5, 4}, {2, 1}}};

// SizeHeader, and of ImageMetadata the orientation.
ImageHeader read_size(std::string_view codestream) {
  if (!codestream.starts_with("\xFF\x0A"sv)) throw UnusableImage("a JPEG XL without its picture");
  Bits bits(codestream.substr(2));
  const bool is_in_eights = bits.take(1) != 0;
  const auto side = [&] { return is_in_eights ? 8 * (int64_t{bits.take(5)} + 1) : take_side(bits); };
  ImageHeader header{.kind = ImageKind::kJxl};
  header.height = side();
  const auto& [across, down] = kRatios[bits.take(3)];
  header.width = down == 0 ? side() : header.height * across / down;
  constexpr uint32_t kOrientationBits = 5;  // not all as usual, more fields, 1 … 8 less 1
  if (bits.has(kOrientationBits) && bits.take(1) == 0 && bits.take(1) != 0)
    header.is_turned_by_decoder = swaps_sides(1 + static_cast<int>(bits.take(3)));
  return header;
}

}  // namespace

// A codestream, or a container of boxes: jxlc holds it, or the first jxlp after four bytes.
ImageHeader read_jxl_header(std::string_view file_bytes) {
  if (file_bytes.starts_with("\xFF\x0A"sv)) return read_size(file_bytes);
  std::optional<std::string_view> codestream;
  for_each_box(file_bytes, [&](std::string_view type, std::string_view content) {
    if (type == "jxlc"sv) codestream = content;
    if (type == "jxlp"sv) codestream = content.substr(std::min<size_t>(4, content.size()));
    return !codestream;
  });
  if (codestream) return read_size(*codestream);
  throw UnusableImage("a JPEG XL without its picture");
}

}  // namespace sdlora::data
