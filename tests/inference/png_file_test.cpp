#include "inference/png_file.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "inference/pixels.h"

namespace sdlora::inference {
namespace {

at::Tensor random_picture() {  // [8, 16, 3] u8
  return at::arange(8 * 16 * 3, at::kLong).mul(37).remainder(256).to(at::kByte).view({8, 16, 3});
}

std::string temporary(const std::string& name) {
  return testing::TempDir() + "png_file_test_" + name;
}

TEST(PngFile, KeepsEveryPixel) {
  const std::string file = temporary("pixels.png");
  write_png(file, random_picture(), "a fox");
  const at::Tensor loaded = load_picture(file, {.width = 16, .height = 8});  // [3, 8, 16] in -1 … 1
  const at::Tensor bytes = ((loaded + 1) * 127.5).round().to(at::kByte).permute({1, 2, 0});
  EXPECT_TRUE(at::equal(bytes, random_picture()));
}

TEST(PngFile, HoldsTheParametersInAChunkWithAValidChecksum) {
  const std::string file = temporary("text.png");
  write_png(file, random_picture(), "cat");
  // Length, type, keyword and text, then the CRC-32 that Python's zlib gives for b"tEXtparameters\0cat".
  constexpr char kChunk[] =
      "\0\0\0\x0e"
      "tEXtparameters\0cat"
      "\x01\x86\x10\xfe";
  const std::string chunk(kChunk, sizeof(kChunk) - 1);
  EXPECT_NE(read_text(file).find(chunk), std::string::npos);
}

TEST(PngFile, HoldsOtherScriptsAsUnicodeText) {
  const std::string file = temporary("unicode.png");
  write_png(file, random_picture(), "ein Füchslein");
  EXPECT_NE(read_text(file).find(std::string("iTXtparameters\0\0\0\0\0ein F\xc3\xbc", 26)),
            std::string::npos);
}

TEST(PngFile, SaysWhatIsWrongWithAPictureToStartFrom) {
  const auto exit_code_of = [](const std::string& file) {
    try {
      load_picture(file, {.width = 16, .height = 8});
    } catch (const Error& error) {
      return error.exit_code();
    }
    return ExitCode::kDone;
  };
  write_text_atomically(temporary("text.txt"), "not a picture");
  EXPECT_EQ(exit_code_of(temporary("text.txt")), ExitCode::kBadData);
  EXPECT_EQ(exit_code_of(temporary("absent.png")), ExitCode::kIo);
}

}  // namespace
}  // namespace sdlora::inference
