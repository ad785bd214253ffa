#include "data/images/image_kind.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using namespace std::string_view_literals;

constexpr std::array kExtensions = {
    std::pair{"png"sv, ImageKind::kPng},   std::pair{"apng"sv, ImageKind::kPng},
    std::pair{"jpg"sv, ImageKind::kJpeg},  std::pair{"jpeg"sv, ImageKind::kJpeg},
    std::pair{"jpe"sv, ImageKind::kJpeg},  std::pair{"jfif"sv, ImageKind::kJpeg},
    std::pair{"webp"sv, ImageKind::kWebp}, std::pair{"bmp"sv, ImageKind::kBmp},
    std::pair{"dib"sv, ImageKind::kBmp},   std::pair{"gif"sv, ImageKind::kGif},
    std::pair{"tif"sv, ImageKind::kTiff},  std::pair{"tiff"sv, ImageKind::kTiff},
    std::pair{"heic"sv, ImageKind::kHeic}, std::pair{"heif"sv, ImageKind::kHeic},
    std::pair{"hif"sv, ImageKind::kHeic},  std::pair{"avif"sv, ImageKind::kAvif},
    std::pair{"jxl"sv, ImageKind::kJxl}};

constexpr std::array kOtherExtensions = {
    "jp2"sv, "j2k"sv, "jpx"sv, "svg"sv, "psd"sv, "psb"sv, "xcf"sv, "kra"sv, "tga"sv, "exr"sv,   "hdr"sv,
    "ico"sv, "raw"sv, "dng"sv, "cr2"sv, "cr3"sv, "nef"sv, "arw"sv, "rw2"sv, "orf"sv, "raf"sv,   "pef"sv,
    "srw"sv, "ppm"sv, "pgm"sv, "pbm"sv, "pnm"sv, "pam"sv, "qoi"sv, "pcx"sv, "dds"sv, "avifs"sv, "heics"sv};

// Brands of still pictures (ISO 23008-12); videos have mp42, isom, qt, …
constexpr std::array kStillBrands = {"heic"sv, "heix"sv, "heim"sv, "heis"sv, "hevc"sv, "hevx"sv,
                                     "hevm"sv, "hevs"sv, "mif1"sv, "mif2"sv, "msf1"sv, "miaf"sv};

// What follows "BM" must be a header of a size that there is: words begin so, too ("BMW at dusk").
bool is_bmp(const ImageBytes& bytes) {
  if (!bytes.has_at(0, "BM"sv) || bytes.size() < kFirstBytes) return false;
  const uint32_t header_bytes = bytes.little_endian(14, 4);
  constexpr std::array kHeaderBytes = {12u, 16u, 40u, 52u, 56u, 64u, 108u, 124u};
  return std::find(kHeaderBytes.begin(), kHeaderBytes.end(), header_bytes) != kHeaderBytes.end();
}

// The major brand, or with one that serves both kinds (mif1) one of the others, as far as there are bytes.
bool is_avif(const ImageBytes& bytes) {
  if (!bytes.has_at(4, "ftyp"sv)) return false;
  const uint64_t end = std::min<uint64_t>(bytes.big_endian(0, 4), bytes.size());
  const auto is_at = [&](uint64_t offset) {
    return bytes.has_at(offset, "avif"sv) || bytes.has_at(offset, "avis"sv);
  };
  bool is_among_others = false;
  for (uint64_t offset = 16; offset + 4 <= end; offset += 4)
    is_among_others = is_among_others || is_at(offset);
  return is_at(8) || (is_among_others && (bytes.has_at(8, "mif1"sv) || bytes.has_at(8, "miaf"sv)));
}

bool is_heic(const ImageBytes& bytes) {
  return bytes.has_at(4, "ftyp"sv) &&
         std::any_of(kStillBrands.begin(), kStillBrands.end(),
                     [&](std::string_view brand) { return bytes.has_at(8, brand); });
}

}  // namespace

std::optional<ImageKind> kind_of(std::string_view first_bytes) {
  const ImageBytes bytes(first_bytes);
  if (bytes.has_at(0, "\x89PNG\r\n\x1a\n"sv)) return ImageKind::kPng;
  if (bytes.has_at(0, "\xFF\xD8\xFF"sv)) return ImageKind::kJpeg;
  if (bytes.has_at(0, "RIFF"sv) && bytes.has_at(8, "WEBP"sv)) return ImageKind::kWebp;
  if (bytes.has_at(0, "GIF87a"sv) || bytes.has_at(0, "GIF89a"sv)) return ImageKind::kGif;
  if (bytes.has_at(0, "II*\0"sv) || bytes.has_at(0, "MM\0*"sv)) return ImageKind::kTiff;
  if (bytes.has_at(0, "\xFF\x0A"sv) || bytes.has_at(0, "\0\0\0\x0CJXL \r\n\x87\n"sv)) return ImageKind::kJxl;
  if (is_avif(bytes)) return ImageKind::kAvif;
  if (is_heic(bytes)) return ImageKind::kHeic;
  if (is_bmp(bytes)) return ImageKind::kBmp;
  return std::nullopt;
}

std::optional<ImageKind> kind_by_name(const std::filesystem::path& file) {
  const std::string extension = lower_extension(file);
  for (const auto& [name, kind] : kExtensions)
    if (name == extension) return kind;
  return std::nullopt;
}

std::string name_of(ImageKind kind) {
  switch (kind) {
    case ImageKind::kPng:
      return "a PNG";
    case ImageKind::kJpeg:
      return "a JPEG";
    case ImageKind::kWebp:
      return "a WebP";
    case ImageKind::kBmp:
      return "a BMP";
    case ImageKind::kGif:
      return "a GIF";
    case ImageKind::kTiff:
      return "a TIFF";
    case ImageKind::kHeic:
      return "a HEIC";
    case ImageKind::kAvif:
      return "an AVIF";
    case ImageKind::kJxl:
      break;
  }
  return "a JPEG XL";
}

std::string name_of_other_kind(std::string_view first_bytes) {
  const ImageBytes bytes(first_bytes);
  if (bytes.has_at(0, "II+\0"sv) || bytes.has_at(0, "MM\0+"sv)) return "a BigTIFF";
  if (bytes.has_at(4, "ftypcrx "sv) || bytes.has_at(0, "FUJIFILM"sv)) return "a camera's raw file";
  if (bytes.has_at(4, "ftyp"sv)) return "a video";
  if (bytes.has_at(0, "8BPS"sv)) return "a Photoshop document";
  if (bytes.has_at(4, "jP  "sv) || bytes.has_at(0, "\xFF\x4F\xFF\x51"sv)) return "a JPEG 2000";
  if (bytes.has_at(0, "%PDF"sv)) return "a PDF";
  return "not an image";
}

bool has_name_of_other_kind(const std::filesystem::path& file) {
  const std::string extension = lower_extension(file);
  return std::find(kOtherExtensions.begin(), kOtherExtensions.end(), extension) != kOtherExtensions.end();
}

std::string lower_extension(const std::filesystem::path& file) {
  std::string extension = file.extension().string();
  if (!extension.empty()) extension.erase(0, 1);
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return extension;
}

}  // namespace sdlora::data
