#include "checkpoint/sha256.h"

#include <gmock/gmock.h>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::checkpoint {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// The vectors of FIPS 180-4.
constexpr const char* kHashOfAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr const char* kHashOfNothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
constexpr const char* kHashOfAMillionAs = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, AgreesWithThePublishedVectors) {
  EXPECT_EQ(sha256_of("abc"), kHashOfAbc);
  EXPECT_EQ(sha256_of(""), kHashOfNothing);
  EXPECT_EQ(sha256_of(std::string(1'000'000, 'a')), kHashOfAMillionAs);
}

TEST(Sha256, OfAFileIsThatOfItsBytesAlsoBeyondOneBlock) {
  const TemporaryFolder folder;
  for (const size_t bytes : {0UL, 3UL, (1UL << 20) - 1, 1UL << 20, (1UL << 20) + 1, (5UL << 20) / 2}) {
    const std::string content(bytes, 'x');
    write_bytes(folder / "file", content);
    EXPECT_EQ(sha256_of_file(folder / "file"), sha256_of(content)) << bytes;
  }
}

TEST(Sha256, NamesAFileThatItCannotRead) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { sha256_of_file(folder / "absent"); }),
              AllOf(StartsWith("74"), HasSubstr("absent"), HasSubstr("No such file")));
  EXPECT_THAT(error_of([&] { sha256_of_file(folder.path()); }),
              AllOf(StartsWith("74"), HasSubstr("a folder")));
}

}  // namespace
}  // namespace sdlora::checkpoint
