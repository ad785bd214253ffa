#include "checkpoint/zip_archive.h"

#include <gmock/gmock.h>

#include "common/error.h"
#include "tests/checkpoint/written_zip.h"
#include "tests/support/error_of.h"

namespace sdlora::checkpoint {
namespace {

using namespace written;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of_archive(const std::string& bytes) {
  const std::string message = error_of([&] { ZipArchive(bytes, "some.pt").verified_record("data.pkl"); });
  EXPECT_THAT(message, AllOf(StartsWith("65 "), HasSubstr("some.pt")));
  return message;
}

TEST(ZipArchive, FindsRecordsInTheFolderOfThePickleWhateverItsName) {
  for (const std::string folder : {"archive/", "model v1.5/", "a/b/", ""}) {
    const std::string bytes =
        zip_of({{"__MACOSX/._x", "m"}, {folder + "data.pkl", "p"}, {folder + "data/0", "xyz"}});
    const ZipArchive archive(bytes, "some.pt");
    EXPECT_EQ(archive.record("data/0"), "xyz");
    EXPECT_EQ(archive.verified_record("data.pkl"), "p");
    EXPECT_FALSE(archive.has("version"));
    EXPECT_THAT(error_of([&] { archive.record("data/1"); }), HasSubstr("lacks the record data/1"));
  }
}

TEST(ZipArchive, ReadsTheWideFieldsOfZip64) {
  const std::string bytes = zip_of({{"a/data.pkl", "p"}, {"a/data/0", "xyz"}}, /*is_wide=*/true);
  const ZipArchive archive(bytes, "some.pt");
  EXPECT_EQ(archive.verified_record("data/0"), "xyz");
  archive.verify();
}

TEST(ZipArchive, RefusesWideFieldsThatAreDamaged) {
  const std::string good = zip_of({{"a/data.pkl", "p"}}, /*is_wide=*/true);
  const auto with = [&good](const std::string& mark, size_t offset, char value) {
    std::string bad = good;
    bad[bad.rfind(mark) + offset] = value;
    return bad;
  };
  EXPECT_THAT(error_of_archive(with("PK\6\7", 0, 'x')), HasSubstr("no zip64 locator"));
  EXPECT_THAT(error_of_archive(with("PK\6\7", 8, 1)), HasSubstr("no zip64 end record"));
  EXPECT_THAT(error_of_archive(with("PK\6\7", 14, 1)), HasSubstr("directory is damaged"));
  EXPECT_THAT(error_of_archive(with("PK\6\6", 32, 2)), HasSubstr("no entry at byte"));
  // The field's size of 24 in the entry: 16 is too short for three values.
  EXPECT_THAT(error_of_archive(with(std::string("ab\1\0\x18", 5), 4, 16)), HasSubstr("short zip64 field"));
}

TEST(ZipArchive, ComparesChecksumsOnlyWhereItIsAsked) {
  std::string bytes = zip_of({{"a/data.pkl", "p"}, {"a/data/0", "the values"}});
  bytes[bytes.find("the values")] = 'T';
  const ZipArchive archive(bytes, "some.pt");
  EXPECT_EQ(archive.record("data/0"), "The values");
  EXPECT_THAT(error_of([&] { archive.verified_record("data/0"); }), HasSubstr("data/0 is damaged"));
  EXPECT_THAT(error_of([&] { archive.verify(); }),
              AllOf(HasSubstr("data/0 is damaged"), HasSubstr("CRC-32")));
}

TEST(ZipArchive, RefusesCompressedRecordsThatAreWantedAndNoOthers) {
  EXPECT_THAT(error_of_archive(zip_of({{"a/data.pkl", "p", 8}})),
              AllOf(HasSubstr("compressed"), HasSubstr("zip -0")));
  const std::string bytes = zip_of({{"a/data.pkl", "p"}, {"a/readme.txt", "x", 8}});
  EXPECT_EQ(ZipArchive(bytes, "some.pt").verified_record("data.pkl"), "p");
}

TEST(ZipArchive, NamesOtherArchives) {
  EXPECT_THAT(error_of_archive(zip_of({{"m/data.pkl", "p"}, {"m/constants.pkl", "c"}, {"m/code/x.py", ""}})),
              HasSubstr("TorchScript"));
  EXPECT_THAT(error_of_archive(zip_of({{"model.weights.h5", ""}, {"config.json", ""}})), HasSubstr("Keras"));
  EXPECT_THAT(error_of_archive(zip_of({{"w.npy", ""}})), HasSubstr("numpy"));
  EXPECT_THAT(error_of_archive(zip_of({{"unet/model.safetensors", ""}})),
              AllOf(HasSubstr("unet/model.safetensors"), HasSubstr("unpack it")));
  EXPECT_THAT(error_of_archive(zip_of({})), HasSubstr("no record"));
}

TEST(ZipArchive, RefusesNamesThatComeTwiceAndRecordsThatShareBytes) {
  EXPECT_THAT(error_of_archive(zip_of({{"a/data.pkl", "p"}, {"a/data.pkl", "q"}})), HasSubstr("twice"));
  std::string shared = zip_of({{"a/data.pkl", std::string(600, 'p')}, {"a/b", "q"}});
  const size_t entry = shared.rfind("PK\1\2");
  shared.replace(entry + 20, 8, bytes_of_integer(uint64_t{600} << 32 | 600));
  EXPECT_THAT(error_of_archive(shared), HasSubstr("share bytes"));
}

}  // namespace
}  // namespace sdlora::checkpoint
