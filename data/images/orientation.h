// Which way up a picture is, 1 … 8, 1 upright (CIPA DC-008, tag 0x0112), wherever a file says it: in EXIF, in
// XMP. As Pillow's ImageOps.exif_transpose takes it: EXIF first.
#pragma once

#include <optional>
#include <string_view>

namespace sdlora::data {

// Whether a picture that is turned upright is as wide as it was high.
inline bool swaps_sides(int orientation) {
  return orientation >= 5;
}

// `exif` is a TIFF structure, with or without the leading "Exif\0\0". The tag is a SHORT, a LONG or a BYTE.
// Nothing where there is no such tag, or the metadata is damaged: a picture is not lost for that.
std::optional<int> exif_orientation(std::string_view exif);

// `xmp`: tiff:Orientation as an attribute or an element.
std::optional<int> xmp_orientation(std::string_view xmp);

// What a file's metadata says, in the order in which it is found.
class Orientation {
 public:
  void see_exif(std::string_view exif) {
    if (!by_exif_) by_exif_ = exif_orientation(exif);
  }

  void see_xmp(std::string_view xmp) {
    if (!by_xmp_) by_xmp_ = xmp_orientation(xmp);
  }

  int value() const { return by_exif_.value_or(by_xmp_.value_or(1)); }

 private:
  std::optional<int> by_exif_;
  std::optional<int> by_xmp_;
};

}  // namespace sdlora::data
