// What people give in place of weights: each is named, with what to do.
#include "checkpoint/foreign_file.h"

#include <gmock/gmock.h>

#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/torch_zip.h"
#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using namespace std::string_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Sample {
  std::string bytes, what, advice;
};

const std::string kPointer =
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa\nsize 4265146304\n";

std::vector<Sample> samples() {
  std::string tar(600, '\0');
  tar.replace(0, 8, "storages");
  tar.replace(257, 5, "ustar");
  return {{kPointer, "a git-lfs pointer", "git lfs pull"},
          {"<!DOCTYPE html><html><title>Hugging Face</title>", "a web page", "download the file itself"},
          {"\n <HTML><body>", "a web page", "download the file itself"},
          {R"({"error":"Repository not found"})", "a text in JSON", "download the file itself"},
          {"Access to model x is restricted.\nYou must be logged in", "a text", "download the file itself"},
          {"", "an empty file", "again"},
          {"GGUF\3\0\0\0\x10\0\0\0"s, "a GGUF file", ".safetensors"},
          {"\x89HDF\r\n\x1a\n\0\0\0\0"s, "an HDF5 file", ".safetensors"},
          {"\x08\x08\x12\x07pytorch\x1a\x03"s, "an ONNX model", ".safetensors"},
          {"\x83\xa6params\x81\xa3xyz"s, "a msgpack file", ".safetensors"},
          {"\xde\0\x10\xa6params"s, "a msgpack file", ".safetensors"},
          {tar, "a tar archive", "torch.save"},
          {"\x1f\x8b\x08\0\0\0\0\0\0\3abc"s, "gzip", "unpack"},
          {"\x93NUMPY\1\0v\0{'descr'"s, "numpy", ".safetensors"},
          {"\x89PNG\r\n\x1a\n\0\0\0"s, "a picture", ".safetensors"},
          {"\x80\x02}q\0."s, "a Python pickle", "torch.save"}};
}

TEST(ForeignFile, IsNamedWhateverItIsCalled) {
  const TemporaryFolder folder;
  for (const Sample& sample : samples()) {
    const auto file = folder / "model.safetensors";
    write_bytes(file, sample.bytes);
    EXPECT_THAT(
        error_of([&] { open_tensor_file(file); }),
        AllOf(StartsWith("65 "), HasSubstr(sample.what), HasSubstr(sample.advice), HasSubstr(file.string())));
    EXPECT_THAT(error_of([&] { read_torch_zip(file); }), AllOf(StartsWith("65 "), HasSubstr(sample.what)));
  }
}

TEST(ForeignFile, IsNamedByTheReaderOfSafetensorsToo) {
  const TemporaryFolder folder;
  for (const Sample& sample : samples()) {
    if (sample.what == "gzip") continue;  // its first bytes may be a header's length
    write_bytes(folder / "x", sample.bytes);
    EXPECT_THAT(error_of([&] { read_safetensors(folder / "x"); }),
                AllOf(StartsWith("65 "), HasSubstr(sample.what)));
  }
}

TEST(ForeignFile, ShowsHowAPointerAndATextBegin) {
  const TemporaryFolder folder;
  write_bytes(folder / "x", kPointer);
  EXPECT_THAT(error_of([&] { open_tensor_file(folder / "x"); }), HasSubstr("version https://git-lfs"));
  write_bytes(folder / "x", "Invalid username or password.");
  EXPECT_THAT(error_of([&] { open_tensor_file(folder / "x"); }), HasSubstr("Invalid username or password."));
}

TEST(ForeignFile, IsCalledDangerousWhereAPickleIs) {
  const TemporaryFolder folder;
  write_bytes(folder / "x.ckpt", "\x80\x02}q\0cposix\nsystem\nX\2\0\0\0ls\x85R."s);
  for (const auto& read : std::vector<std::function<void()>>{[&] { open_tensor_file(folder / "x.ckpt"); },
                                                             [&] { read_torch_zip(folder / "x.ckpt"); }})
    EXPECT_THAT(error_of(read), AllOf(StartsWith("65 "), HasSubstr("posix.system, which was not run")));
}

TEST(ForeignFile, IsNotWhatMayBeSafetensors) {
  EXPECT_TRUE(is_like_safetensors("\x1f\x8b\x08\0\0\0\0\0{"s));
  EXPECT_TRUE(is_like_safetensors("\x08\0\0\0\0\0\0\0 {}     "s));
  EXPECT_FALSE(is_like_safetensors("\x1f\x8b\x08\0\0\0\0\0\3"s));
  EXPECT_FALSE(is_like_safetensors("\x08\0\0\0\0\0\0\0"s));
  EXPECT_FALSE(is_like_safetensors("\x08\0\0\0\0\0\0\x01{}"s));
}

TEST(ForeignFile, IsNotMadeOutOfAnyBytes) {
  EXPECT_FALSE(foreign_file("\1\2\3\4\5\6\7\xfe"s));
  const TemporaryFolder folder;
  write_bytes(folder / "x", "\1\2\3\4\5\6\7\xfe\xff\xff"s);
  EXPECT_THAT(error_of([&] { open_tensor_file(folder / "x"); }),
              AllOf(StartsWith("65 "), HasSubstr("damaged")));
  EXPECT_THAT(error_of([&] { read_torch_zip(folder / "x"); }), HasSubstr("01 02 03 04 05 06 07 fe"));
}

}  // namespace
}  // namespace sdlora::checkpoint
