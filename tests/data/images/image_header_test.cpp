#include "data/images/image_header.h"

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>

#include "data/images/image_bytes.h"
#include "data/images/orientation.h"
#include "data/images/webp_container.h"

namespace sdlora::data {
namespace {

using namespace std::string_literals;
using testing::HasSubstr;

std::string encoded(const char* extension, int width = 40, int height = 30, int type = CV_8UC3,
                    const std::vector<int>& options = {}) {
  cv::Mat image(height, width, type);
  cv::randu(image, 0, 255);
  std::vector<uint8_t> bytes;
  cv::imencode(extension, image, bytes, options);
  return {bytes.begin(), bytes.end()};
}

std::string header_refusal(const std::string& bytes) {
  try {
    read_image_header(bytes);
  } catch (const UnusableImage& reason) {
    return reason.what();
  }
  return "";
}

// A TIFF structure with the orientation as its second entry.
std::string exif(int orientation, bool is_little = true) {
  const auto number = [&](int value, int bytes) {
    std::string text;
    for (int byte = 0; byte < bytes; ++byte)
      text += static_cast<char>(value >> 8 * (is_little ? byte : bytes - 1 - byte) & 0xFF);
    return text;
  };
  const std::string start = is_little ? "II*\0"s : "MM\0*"s;
  return start + number(8, 4) + number(2, 2) +                             //
         number(0x010F, 2) + number(2, 2) + number(1, 4) + number(0, 4) +  // Make
         number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + number(0, 2) +
         number(0, 4);
}

TEST(ImageHeader, ReadsKindAndSizeOfEveryKind) {
  const std::vector<std::pair<const char*, ImageKind>> kinds = {{".png", ImageKind::kPng},
                                                                {".jpg", ImageKind::kJpeg},
                                                                {".webp", ImageKind::kWebp},
                                                                {".bmp", ImageKind::kBmp}};
  for (const auto& [extension, kind] : kinds) {
    const ImageHeader header = read_image_header(encoded(extension, 301, 17));
    EXPECT_EQ(header.kind, kind) << extension;
    EXPECT_EQ(header.width, 301) << extension;
    EXPECT_EQ(header.height, 17) << extension;
    EXPECT_EQ(header.orientation, 1) << extension;
    EXPECT_EQ(kind_of(encoded(extension).substr(0, kFirstBytes)), kind);
    EXPECT_EQ(kind_by_name(std::string("a") + extension), kind);
  }
  const ImageHeader lossless =
      read_image_header(encoded(".webp", 301, 17, CV_8UC3, {cv::IMWRITE_WEBP_QUALITY, 101}));
  EXPECT_EQ(lossless.width, 301);
  EXPECT_EQ(lossless.height, 17);
}

TEST(ImageHeader, RefusesWhatIsLargerThanTheLimitsWithoutDecodingIt) {
  for (const auto& [width, height] :
       {std::pair<int64_t, int64_t>{20000, 10}, {10, 20000}, {16385, 1}, {16384, 18400}}) {
    std::string png = encoded(".png");
    for (int byte = 0; byte < 4; ++byte) {
      png[static_cast<size_t>(16 + byte)] = static_cast<char>(width >> 8 * (3 - byte) & 0xFF);
      png[static_cast<size_t>(20 + byte)] = static_cast<char>(height >> 8 * (3 - byte) & 0xFF);
    }
    EXPECT_THAT(header_refusal(png), HasSubstr("16384"));
  }
}

TEST(ImageHeader, NamesOtherKinds) {
  EXPECT_THAT(header_refusal(""), HasSubstr("empty"));
  EXPECT_THAT(header_refusal("\0\0\0\x20"s + "ftypisom"), HasSubstr("a video"));
  EXPECT_THAT(header_refusal("8BPS\0\x01"s), HasSubstr("a Photoshop document"));
  EXPECT_THAT(header_refusal("hello, world"), HasSubstr("not an image"));
  EXPECT_THAT(header_refusal("BMW M3, red, at dusk on a wet road"), HasSubstr("not an image"));
}

std::string little(uint32_t value, int byte_count) {
  std::string text;
  for (int byte = 0; byte < byte_count; ++byte) text += static_cast<char>(value >> 8 * byte & 0xFF);
  return text;
}

std::string big(uint32_t value, int byte_count) {
  const std::string text = little(value, byte_count);
  return {text.rbegin(), text.rend()};
}

std::string box(const std::string& type, const std::string& content) {
  return big(static_cast<uint32_t>(content.size() + 8), 4) + type + content;
}

// A TIFF's beginning and its only directory: entries of tag and value, LONG.
std::string tiff(const std::vector<std::pair<uint32_t, uint32_t>>& entries) {
  std::string text = "II*\0"s + little(8, 4) + little(static_cast<uint32_t>(entries.size()), 2);
  for (const auto& [tag, value] : entries)
    text += little(tag, 2) + little(4, 2) + little(1, 4) + little(value, 4);
  return text + little(0, 4);
}

void expect_size(const std::string& bytes, int64_t width, int64_t height) {
  const ImageHeader header = read_image_header(bytes);
  EXPECT_EQ(header.width, width);
  EXPECT_EQ(header.height, height);
}

TEST(ImageHeader, ReadsSizesWithoutADecoder) {
  const std::string screen = "GIF89a" + little(301, 2) + little(17, 2);
  const std::string extension = "\x21\xF9\x04"s + std::string(4, '\0') + '\0';
  const auto frame = [](uint32_t left, uint32_t width) {
    return "," + little(left, 2) + little(0, 2) + little(width, 2) + little(17, 2) + '\0';
  };
  expect_size(screen + std::string(3, '\0') + frame(0, 301), 301, 17);
  expect_size(screen + "\x81\0\0"s + std::string(12, 'c') + extension + frame(100, 300), 400, 17);
  expect_size(tiff({{256, 301}, {257, 17}}), 301, 17);
  EXPECT_EQ(read_image_header(tiff({{256, 3}, {257, 4}, {274, 6}})).orientation, 6);
  const auto ispe = [](uint32_t width, uint32_t height) {
    return box("ispe", big(0, 4) + big(width, 4) + big(height, 4));
  };
  expect_size(
      box("ftyp", "heic" + big(0, 4)) +
          box("meta", big(0, 4) + box("hdlr", "") + box("iprp", box("ipco", ispe(64, 64) + ispe(301, 170)))),
      301, 170);
}

TEST(ImageHeader, ReadsTheSizeOfAJpegXl) {
  // 32 × 16: in eights, 16 = 8 · (1 + 1), ratio 2 : 1
  const std::string codestream = "\xFF\x0A"s + little(1u | 1u << 1 | 7u << 6, 3);
  expect_size(codestream, 32, 16);
  expect_size("\0\0\0\x0CJXL \r\n\x87\n"s + box("ftyp", "jxl ") + box("jxlc", codestream), 32, 16);
  expect_size("\0\0\0\x0CJXL \r\n\x87\n"s + box("jxlp", big(0, 4) + codestream), 32, 16);
  // 300 × 17: 17 = 16 + 1 in 9 bits, ratio 0, 300 = 299 + 1 in 9 bits
  expect_size("\xFF\x0A"s + little(16u << 3 | 0u << 12 | 299u << 17, 4), 300, 17);
}

TEST(ImageHeader, KnowsWhatItsDecoderTurnsAQuarter) {
  const auto heic = [](char quarters) {
    const std::string size = box("ispe", big(0, 4) + big(301, 4) + big(170, 4));
    return box("ftyp", "heic" + big(0, 4)) +
           box("meta", big(0, 4) + box("iprp", box("ipco", size + box("irot", std::string(1, quarters)))));
  };
  EXPECT_FALSE(read_image_header(heic(0)).is_turned_by_decoder);
  EXPECT_TRUE(read_image_header(heic(1)).is_turned_by_decoder);
  EXPECT_FALSE(read_image_header(heic(2)).is_turned_by_decoder);
  EXPECT_TRUE(read_image_header(heic(3)).is_turned_by_decoder);
  // 32 × 16 as above, then: not all as usual, more fields, an orientation of 1 … 8 less 1
  const auto jxl = [](uint32_t more) { return "\xFF\x0A"s + little(1u | 1u << 1 | 7u << 6 | more << 9, 3); };
  for (uint32_t orientation = 1; orientation <= 8; ++orientation)
    EXPECT_EQ(read_image_header(jxl(2u | (orientation - 1) << 2)).is_turned_by_decoder, orientation >= 5);
  EXPECT_FALSE(read_image_header(jxl(1u | 7u << 2)).is_turned_by_decoder);  // all as usual
  EXPECT_FALSE(read_image_header(jxl(0u | 7u << 2)).is_turned_by_decoder);  // no more fields
}

TEST(ImageHeader, CallsACamerasRawFileSo) {
  EXPECT_THAT(header_refusal(tiff({{254, 1}, {256, 160}, {257, 120}, {330, 200}})), HasSubstr("raw file"));
  EXPECT_THAT(header_refusal(tiff({{254, 1}, {256, 160}, {257, 120}, {50706, 1}})), HasSubstr("raw file"));
  expect_size(tiff({{254, 1}, {256, 160}, {257, 120}}), 160, 120);
  expect_size(tiff({{256, 160}, {257, 120}, {330, 200}}), 160, 120);
}

TEST(ImageHeader, NoBytesOfTheNewerKindsMakeItReadOutside) {
  const std::string jxl = "\0\0\0\x0CJXL \r\n\x87\n"s;
  const std::string codestream = "\xFF\x0A"s + little(1u | 1u << 1 | 7u << 6, 3);
  for (const std::string& good :
       {"GIF89a" + little(301, 2) + little(17, 2) + "\x81\0\0"s + std::string(12, 'c') + "\x21\xF9\x04"s +
            std::string(5, '\0') + "," + little(0, 4) + little(17, 4) + '\0',
        tiff({{256, 301}, {257, 17}, {274, 6}, {700, 8}}), jxl + box("jxlc", codestream),
        jxl + box("jxlp", big(0, 4) + codestream),
        box("ftyp", "mif1" + big(0, 4) + "avif") +
            box("meta",
                big(0, 4) + box("iprp", box("ipco", box("ispe", big(0, 4) + big(5, 4) + big(6, 4)))))})
    for (size_t byte = 0; byte < good.size(); ++byte)
      for (const int value : {0x00, 0x01, 0x7F, 0xFF}) {
        std::string changed = good;
        changed[byte] = static_cast<char>(value);
        header_refusal(changed);
        header_refusal(changed.substr(0, byte + 1));
      }
}

TEST(ImageKind, OfABrandOfBothIsSaidByTheOthers) {
  EXPECT_EQ(kind_of(box("ftyp", "mif1" + big(0, 4) + "mif1avif")), ImageKind::kAvif);
  EXPECT_EQ(kind_of(box("ftyp", "mif1" + big(0, 4) + "mif1heic")), ImageKind::kHeic);
}

TEST(ImageHeader, AnyJpegThatIsCutOffIsRefused) {
  const std::string jpeg = encoded(".jpg");
  EXPECT_EQ(header_refusal(jpeg), "");
  for (size_t bytes = 1; bytes < jpeg.size(); ++bytes)
    EXPECT_NE(header_refusal(jpeg.substr(0, bytes)), "") << bytes;
  EXPECT_EQ(header_refusal(jpeg + "trailing bytes"), "");
}

TEST(ImageHeader, RefusesAPngWhoseChunkWantsMoreThanThereIs) {
  const std::string png = encoded(".png");
  const size_t after_header = 8 + 25;  // signature and IHDR
  const std::string chunk = "\x42\x4D\x76\x43iTXt"s + "a gigabyte of text";
  EXPECT_THAT(header_refusal(png.substr(0, after_header) + chunk + png.substr(after_header)),
              HasSubstr("cut off"));
}

TEST(ImageHeader, NoBytesAtAllMakeItReadOutside) {
  for (const char* extension : {".png", ".jpg", ".webp", ".bmp"}) {
    const std::string good = encoded(extension);
    for (size_t byte = 0; byte < std::min<size_t>(good.size(), 400); ++byte)
      for (const int value : {0x00, 0x7F, 0xFF}) {
        std::string changed = good;
        changed[byte] = static_cast<char>(value);
        header_refusal(changed);
        header_refusal(changed.substr(0, byte + 1));
      }
  }
}

TEST(ImageHeader, TakesTheOrientationFromAJpegsExif) {
  const std::string jpeg = encoded(".jpg");
  const std::string data = "Exif\0\0"s + exif(6);
  const auto length = static_cast<char>(data.size() + 2);
  const std::string with_exif = jpeg.substr(0, 2) + "\xFF\xE1\0"s + length + data + jpeg.substr(2);
  EXPECT_EQ(read_image_header(with_exif).orientation, 6);
  EXPECT_EQ(read_image_header(with_exif).width, 40);
}

TEST(ExifOrientation, IsReadInBothByteOrders) {
  for (int orientation = 1; orientation <= 8; ++orientation) {
    EXPECT_EQ(exif_orientation(exif(orientation, true)), orientation);
    EXPECT_EQ(exif_orientation(exif(orientation, false)), orientation);
    EXPECT_EQ(exif_orientation("Exif\0\0"s + exif(orientation)), orientation);
  }
}

TEST(ExifOrientation, IsALongOrAByteWithSomePrograms) {
  for (const bool is_little : {true, false})
    for (const int type : {1, 4}) {
      std::string changed = exif(6, is_little);
      const auto number = [&](uint32_t value, int bytes) {
        return is_little ? little(value, bytes) : big(value, bytes);
      };
      const std::string entry = number(0x0112, 2) + number(static_cast<uint32_t>(type), 2) + number(1, 4);
      changed.replace(22, 12, entry + (type == 4 ? number(6, 4) : number(6, 1) + std::string(3, '\0')));
      EXPECT_EQ(exif_orientation(changed), 6) << type;
    }
}

TEST(ExifOrientation, IsNotSaidWhereTheMetadataIsDamaged) {
  for (const std::string& bad : {std::string(), exif(0), exif(9)})
    EXPECT_EQ(exif_orientation(bad), std::nullopt);
  const std::string good = exif(6);
  for (size_t bytes = 0; bytes < 32; ++bytes)
    EXPECT_EQ(exif_orientation(good.substr(0, bytes)), std::nullopt) << bytes;
}

TEST(XmpOrientation, IsAnAttributeOrAnElement) {
  EXPECT_EQ(xmp_orientation("<x tiff:Orientation=\"6\"/>"), 6);
  EXPECT_EQ(xmp_orientation("<tiff:Orientation>3</tiff:Orientation>"), 3);
  EXPECT_EQ(xmp_orientation("<tiff:Orientation>9</tiff:Orientation>"), std::nullopt);
  EXPECT_EQ(xmp_orientation("tiff:Orientation"), std::nullopt);
  EXPECT_EQ(xmp_orientation("tiff:Orientation=\""), std::nullopt);
}

TEST(Orientation, TakesExifBeforeXmp) {
  Orientation both;
  both.see_xmp("tiff:Orientation=\"6\"");
  EXPECT_EQ(both.value(), 6);
  both.see_exif(exif(3));
  EXPECT_EQ(both.value(), 3);
  EXPECT_EQ(Orientation().value(), 1);
}

std::string chunk(const std::string& type, const std::string& data) {
  const auto size = data.size();
  std::string length;
  for (int byte = 0; byte < 4; ++byte) length += static_cast<char>(size >> 8 * byte & 0xFF);
  return type + length + data + (size % 2 == 1 ? std::string(1, '\0') : "");
}

// The still file as the only frame of an animation on a canvas of 40 × 30 pixels.
std::string animated(const std::string& still, int frame_width = 40) {
  const std::string canvas = "\x27\0\0\x1D\0\0"s;
  const std::string frame =
      std::string(6, '\0') + static_cast<char>(frame_width - 1) + "\0\0\x1D\0\0"s + "\x64\0\0\0"s;
  return "RIFF....WEBP" + chunk("VP8X", "\x02\0\0\0"s + canvas) + chunk("ANIM", std::string(6, '\0')) +
         chunk("ANMF", frame + still.substr(12));
}

TEST(StillWebp, IsTheFirstFrameOfAnAnimation) {
  const std::string still = encoded(".webp");
  EXPECT_EQ(still_webp(still), still);
  EXPECT_EQ(read_image_header(animated(still)).width, 40);
  const std::string taken = still_webp(animated(still));
  const std::vector<uint8_t> bytes(taken.begin(), taken.end());
  const std::vector<uint8_t> expected(still.begin(), still.end());
  cv::Mat difference;
  cv::absdiff(cv::imdecode(bytes, cv::IMREAD_UNCHANGED), cv::imdecode(expected, cv::IMREAD_UNCHANGED),
              difference);
  EXPECT_EQ(cv::sum(difference), cv::Scalar());
}

TEST(StillWebp, AFrameThatIsOnlyAPartIsRefused) {
  EXPECT_THROW(still_webp(animated(encoded(".webp"), 20)), UnusableImage);
  EXPECT_THROW(still_webp("RIFF....WEBP" + chunk("VP8X", "\x02\0\0\0\x27\0\0\x1D\0\0"s)), UnusableImage);
}

}  // namespace
}  // namespace sdlora::data
