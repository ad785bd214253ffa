#include "data/images/image_pixels.h"

#include <algorithm>
#include <functional>

#include <gmock/gmock.h>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "data/images/image_bytes.h"

namespace sdlora::data {
namespace {

using testing::HasSubstr;

std::string encode(const cv::Mat& image, const char* extension = ".png") {
  std::vector<uint8_t> bytes;
  cv::imencode(extension, image, bytes);
  return {bytes.begin(), bytes.end()};
}

struct Pixel {
  int red, green, blue;

  bool operator==(const Pixel&) const = default;
};

Pixel pixel(const std::vector<uint8_t>& picture, int width, int row, int column) {
  const auto at = static_cast<size_t>((row * width + column) * 3);
  return {picture[at], picture[at + 1], picture[at + 2]};
}

std::ostream& operator<<(std::ostream& stream, const Pixel& p) {
  return stream << p.red << " " << p.green << " " << p.blue;
}

TEST(DecodeCropped, GivesRgbRowsFromTheTop) {
  cv::Mat image(2, 2, CV_8UC3);
  image.at<cv::Vec3b>(0, 0) = {3, 2, 1};  // blue, green, red
  image.at<cv::Vec3b>(0, 1) = {6, 5, 4};
  image.at<cv::Vec3b>(1, 0) = {9, 8, 7};
  image.at<cv::Vec3b>(1, 1) = {12, 11, 10};
  for (const char* extension : {".png", ".bmp"})
    EXPECT_THAT(decode_cropped(encode(image, extension), square(2)),
                testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12));
}

TEST(DecodeCropped, SixteenBitsAreDividedBy257) {
  cv::Mat image(1, 4, CV_16UC1);
  for (int column = 0; column < 4; ++column)
    image.at<uint16_t>(0, column) = static_cast<uint16_t>(257 * (100 + column));
  cv::Mat rows;
  cv::repeat(image, 4, 1, rows);
  const std::vector<uint8_t> decoded = decode_cropped(encode(rows), square(4));
  for (int column = 0; column < 4; ++column)
    EXPECT_EQ(pixel(decoded, 4, 2, column), (Pixel{100 + column, 100 + column, 100 + column}));
}

TEST(CropPicture, GivesTheTransparencyAsItIsCropped) {
  cv::Mat image(2, 4, CV_8UC4);
  for (int column = 0; column < 4; ++column)
    for (int row = 0; row < 2; ++row)
      image.at<cv::Vec4b>(row, column) = {10, 20, 30, static_cast<uint8_t>(50 * column + row)};
  const CroppedPicture picture = crop_picture(encode(image), unplanned_fit(square(2)), /*wants_alpha=*/true);
  EXPECT_THAT(picture.alpha, testing::ElementsAre(50, 100, 51, 101));
  EXPECT_EQ(picture.fit, fit_to_cover({.width = 4, .height = 2}, square(2)));
  cv::Mat deep;
  image.convertTo(deep, CV_16U, 257);
  EXPECT_EQ(crop_picture(encode(deep), unplanned_fit(square(2)), true).alpha, picture.alpha);
  EXPECT_THAT(
      crop_picture(encode(cv::Mat(2, 2, CV_8UC3, cv::Scalar(0))), unplanned_fit(square(2)), true).alpha,
      testing::ElementsAre(255, 255, 255, 255));
  EXPECT_THAT(crop_picture(encode(image), unplanned_fit(square(2)), false).alpha, testing::IsEmpty());
}

TEST(CropMask, IsFittedAsItsPictureWhateverItsSize) {
  const PictureFit fit = fit_to_cover({.width = 80, .height = 40}, {.width = 10, .height = 10});
  cv::Mat mask(40, 80, CV_8UC1, cv::Scalar(0));
  mask.colRange(40, 80).setTo(255);  // the right half; the crop takes columns 20 … 60
  for (const double scale : {1.0, 0.5, 2.0}) {
    cv::Mat scaled;
    cv::resize(mask, scaled, {}, scale, scale, cv::INTER_NEAREST);
    const std::vector<uint8_t> cropped = crop_mask(encode(scaled), fit);
    for (size_t place = 0; place < cropped.size(); ++place)
      EXPECT_EQ(cropped[place], place % 10 < 5 ? 0 : 255) << scale << ", " << place;
  }
  EXPECT_THROW(crop_mask(encode(mask.colRange(0, 60).clone()), fit), UnusableImage);
  EXPECT_NO_THROW(crop_mask(encode(mask.colRange(0, 79).clone()), fit)) << "a pixel less";
}

TEST(CropMask, CountsByRedAndNotWhereItIsTransparent) {
  const PictureFit fit = fit_to_cover(square(1), square(1));
  const auto of = [&](const cv::Scalar& colour, int type) {
    return crop_mask(encode(cv::Mat(1, 1, type, colour)), fit)[0];
  };
  EXPECT_EQ(of({10, 20, 200}, CV_8UC3), 200);
  EXPECT_EQ(of({255, 255, 255, 0}, CV_8UC4), 0);
  EXPECT_EQ(of({255, 255, 255, 100}, CV_8UC4), 100);
  EXPECT_EQ(of({0, 0, 0, 100}, CV_8UC4), 0);
}

TEST(DecodeCropped, TransparencyIsOverWhiteAndRounded) {
  cv::Mat image(1, 1, CV_8UC4);
  for (const int alpha : {0, 1, 127, 128, 254, 255}) {
    image.at<cv::Vec4b>(0, 0) = cv::Vec4b(10, 200, 0, static_cast<uint8_t>(alpha));
    const auto over_white = [&](int value) {
      return static_cast<int>(std::lround((value * alpha + 255.0 * (255 - alpha)) / 255));
    };
    EXPECT_EQ(pixel(decode_cropped(encode(image), square(1)), 1, 0, 0),
              (Pixel{over_white(0), over_white(200), over_white(10)}));
  }
}

TEST(DecodeCropped, AFourthChannelOfABmpIsNotTransparency) {
  cv::Mat image(1, 1, CV_8UC4, cv::Scalar(10, 200, 30, 0));
  EXPECT_EQ(pixel(decode_cropped(encode(image, ".bmp"), square(1)), 1, 0, 0), (Pixel{30, 200, 10}));
}

TEST(DecodeCropped, AveragesAreasWhenItShrinks) {
  cv::Mat image(4, 4, CV_8UC3, cv::Scalar(0, 0, 0));
  image(cv::Rect(0, 0, 1, 2)).setTo(cv::Scalar(100, 100, 100));  // half of the upper left area
  EXPECT_EQ(pixel(decode_cropped(encode(image), square(2)), 2, 0, 0), (Pixel{50, 50, 50}));
  EXPECT_EQ(pixel(decode_cropped(encode(image), square(2)), 2, 1, 1), (Pixel{0, 0, 0}));
}

TEST(DecodeCropped, CutsOutTheCentreOfTheLongSide) {
  cv::Mat wide(4, 10, CV_8UC3, cv::Scalar(0, 0, 0));
  wide(cv::Rect(3, 0, 4, 4)).setTo(cv::Scalar(255, 255, 255));
  for (const cv::Mat& image : {wide, cv::Mat(wide.t())}) {
    const std::vector<uint8_t> decoded = decode_cropped(encode(image), square(4));
    EXPECT_THAT(decoded, testing::Each(255));
    EXPECT_EQ(decoded.size(), 4u * 4 * 3);
  }
}

// 200 x 100 times 0.64 just covers 96 x 64: 128 x 64, of which 16 columns go on either side.
TEST(DecodeCropped, ARectangleIsCoveredAndCutOutOfTheCentre) {
  cv::Mat ramp(100, 200, CV_8UC3);
  for (int row = 0; row < ramp.rows; ++row)
    for (int column = 0; column < ramp.cols; ++column)
      ramp.at<cv::Vec3b>(row, column) = cv::Vec3b(static_cast<uint8_t>(row), static_cast<uint8_t>(column), 7);
  const std::vector<uint8_t> decoded = decode_cropped(encode(ramp), {.width = 96, .height = 64});
  ASSERT_EQ(decoded.size(), 96u * 64 * 3);
  for (const int row : {0, 31, 63})
    for (const int column : {0, 47, 95}) {
      const Pixel seen = pixel(decoded, 96, row, column);
      EXPECT_EQ(seen.red, 7);
      EXPECT_NEAR(seen.green, (column + 16 + 0.5) / 0.64 - 0.5, 1) << row << " " << column;
      EXPECT_NEAR(seen.blue, (row + 0.5) / 0.64 - 0.5, 1) << row << " " << column;
    }
}

TEST(DecodeCropped, ARectangleOfThePicturesShapeKeepsAllOfIt) {
  cv::Mat image(100, 200, CV_8UC3);
  cv::randu(image, 0, 255);
  cv::Mat rgb;
  cv::cvtColor(image, rgb, cv::COLOR_BGR2RGB);
  const std::vector<uint8_t> decoded = decode_cropped(encode(image), {.width = 200, .height = 100});
  EXPECT_EQ(decoded, std::vector<uint8_t>(rgb.datastart, rgb.dataend));
}

TEST(DecodeCropped, GrowsSmallPicturesToTheSize) {
  const cv::Mat image(3, 5, CV_8UC3, cv::Scalar(10, 20, 30));
  const std::vector<uint8_t> decoded = decode_cropped(encode(image), square(64));
  EXPECT_EQ(decoded.size(), 64u * 64 * 3);
  EXPECT_EQ(pixel(decoded, 64, 32, 32), (Pixel{30, 20, 10}));
}

TEST(DecodeCropped, DamagedFilesAreRefusedWithWhatTheDecoderSaid) {
  cv::Mat image(64, 64, CV_8UC3);
  cv::randu(image, 0, 255);
  std::string png = encode(image);
  png[png.size() / 2] = static_cast<char>(png[png.size() / 2] ^ 1);
  try {
    decode_cropped(png, square(64));
    FAIL() << "nothing was thrown";
  } catch (const UnusableImage& reason) {
    EXPECT_THAT(reason.what(), HasSubstr("damaged: libpng error"));
  }
}

TEST(DecodeCropped, AStripThatWouldGrowBeyondAllBoundsIsRefused) {
  const cv::Mat image(1, 10000, CV_8UC3, cv::Scalar(1, 2, 3));
  EXPECT_THROW(decode_cropped(encode(image), square(512)), UnusableImage);
}

TEST(DecodeCropped, ResizesAsPlannedAPictureOfThePlannedSizeAndNoOther) {
  cv::Mat image(100, 100, CV_8UC3, cv::Scalar(0, 0, 0));
  image(cv::Rect(25, 25, 50, 50)).setTo(cv::Scalar(255, 255, 255));
  // Not resized at all, where covering the rectangle would halve it.
  const PictureFit planned{.original = square(100), .resized = square(100), .size = square(50)};
  const std::vector<uint8_t> middle = decode_cropped(encode(image), planned);
  EXPECT_TRUE(std::all_of(middle.begin(), middle.end(), [](uint8_t value) { return value == 255; }));
  const PictureFit mistaken{.original = square(90), .resized = square(90), .size = square(50)};
  EXPECT_THROW(decode_cropped(encode(image), mistaken), UnusableImage);
}

}  // namespace
}  // namespace sdlora::data
