#include "data/images/image_folder.h"

#include <map>

#include <gmock/gmock.h>
#include <sys/stat.h>

#include "common/error.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

namespace fs = std::filesystem;

const std::string kJpegStart = "\xFF\xD8\xFF\xE0 and more";

std::map<std::string, std::string> reasons(const FoundImages& found) {
  std::map<std::string, std::string> reasons;
  for (const SkippedImage& image : found.skipped) reasons[image.source] = image.reason;
  return reasons;
}

TEST(ImageFolder, FindsImagesInAllFoldersInBytewiseOrder) {
  const TemporaryFolder folder;
  for (const char* name : {"b.png", "a/z.jpg", "a/b/c.webp", "a.bmp", "B.JPEG", "a-b.png", "ä.png"})
    write_bytes(folder / name, kJpegStart);
  EXPECT_THAT(find_images(folder.path()).sources,
              ElementsAre("B.JPEG", "a-b.png", "a.bmp", "a/b/c.webp", "a/z.jpg", "b.png", "ä.png"));
}

std::map<std::string, std::string> passed_over(const FoundImages& found) {
  std::map<std::string, std::string> reasons;
  for (const SkippedImage& image : found.passed_over) reasons[image.source] = image.reason;
  return reasons;
}

TEST(ImageFolder, TakesPicturesByTheirNameAlone) {
  const TemporaryFolder folder;
  for (const char* name :
       {"photo.jpg", "photo.jpg_original", "photo.jpg~", "photo.jpg.bak", "GOPR1.THM", "photo"})
    write_bytes(folder / name, kJpegStart);
  write_bytes(folder / "notes", "text");
  write_bytes(folder / "photo.txt", "BMW M3, red, at dusk on a wet road");
  const FoundImages found = find_images(folder.path());
  EXPECT_THAT(found.sources, ElementsAre("photo.jpg"));
  EXPECT_THAT(found.skipped, IsEmpty());
  EXPECT_THAT(passed_over(found),
              ElementsAre(Pair("GOPR1.THM", HasSubstr("without a picture's extension")),
                          Pair("photo", testing::_), Pair("photo.jpg.bak", testing::_),
                          Pair("photo.jpg_original", testing::_), Pair("photo.jpg~", testing::_)));
}

TEST(ImageFolder, TakesAllKindsThatAreRead) {
  const TemporaryFolder folder;
  for (const char* name :
       {"a.apng", "b.AVIF", "c.gif", "d.heic", "e.hif", "f.jfif", "g.jxl", "h.tif", "i.TIFF"})
    write_bytes(folder / name, "whatever is in it");
  EXPECT_THAT(find_images(folder.path()).sources, testing::SizeIs(9));
}

TEST(ImageFolder, PassesOverMasksAndPreviewsOfARun) {
  const TemporaryFolder folder;
  for (const char* name : {"a.png", "a-masklabel.png", "run/c.png", "run/previews/step-000100/00.png",
                           "other/previews/b.png", "shots.heic/d.heic", "misnamed.tga"})
    write_bytes(folder / name, kJpegStart);
  write_bytes(folder / "run/metrics.jsonl", "");
  write_bytes(folder / "run/trainer.lock", "");
  write_bytes(folder / "other/metrics.jsonl", "of another program");
  const FoundImages found = find_images(folder.path());
  EXPECT_THAT(found.sources,
              ElementsAre("a.png", "misnamed.tga", "other/previews/b.png", "run/c.png", "shots.heic/d.heic"));
  EXPECT_THAT(passed_over(found), ElementsAre(Pair("a-masklabel.png", "a mask"),
                                              Pair("run/previews", HasSubstr("run of the trainer"))));
}

TEST(ImageFolder, PassesOverWhatIsHidden) {
  const TemporaryFolder folder;
  write_bytes(folder / ".thumbnail.png", kJpegStart);
  write_bytes(folder / ".cache/a.png", kJpegStart);
  write_bytes(folder / "._a.jpg", "a resource fork");
  const FoundImages found = find_images(folder.path());
  EXPECT_THAT(found.sources, IsEmpty());
  EXPECT_THAT(found.skipped, IsEmpty());
}

TEST(ImageFolder, NamesWhatLooksLikeAnImageAndIsNone) {
  const TemporaryFolder folder;
  write_bytes(folder / "layers.psd", "8BPS");
  write_bytes(folder / "folder.png/inside.png", kJpegStart);
  fs::create_symlink("nowhere", folder / "link.png");
  ASSERT_EQ(::mkfifo((folder / "pipe.jpg").c_str(), 0600), 0);
  write_bytes(folder / "latin\xE9.png", kJpegStart);
  const FoundImages found = find_images(folder.path());
  EXPECT_THAT(found.sources, IsEmpty());
  const auto reason = reasons(found);
  EXPECT_THAT(reason.at("layers.psd"), HasSubstr("psd files are not read"));
  EXPECT_THAT(reason.at("folder.png"), HasSubstr("a folder"));
  EXPECT_THAT(reason.at("link.png"), HasSubstr("broken link"));
  EXPECT_THAT(reason.at("pipe.jpg"), HasSubstr("not a regular file"));
  EXPECT_THAT(reason.at("latin\uFFFD.png"), HasSubstr("UTF-8"));
}

TEST(ImageFolder, NamesLinksThatLeadNowhereWhateverTheirName) {
  const TemporaryFolder folder;
  fs::create_directory_symlink("/nowhere/set", folder / "set");
  fs::create_directory_symlink("/nowhere/set", folder / "set.v2");
  const FoundImages found = find_images(folder.path());
  EXPECT_THAT(reasons(found), ElementsAre(Pair("set", "a broken link"), Pair("set.v2", "a broken link")));
}

TEST(ImageFolder, FollowsLinksAndVisitsEachFolderOnce) {
  const TemporaryFolder folder;
  write_bytes(folder / "real/a.png", kJpegStart);
  fs::create_directory_symlink(folder.path(), folder / "real/loop");
  const TemporaryFolder elsewhere;
  write_bytes(elsewhere / "b.png", kJpegStart);
  fs::create_directory_symlink(elsewhere.path(), folder / "other");
  fs::create_symlink(elsewhere / "b.png", folder / "c.png");
  EXPECT_THAT(find_images(folder.path()).sources, ElementsAre("c.png", "other/b.png", "real/a.png"));
}

TEST(ImageFolder, WhatIsNotAFolderIsAnErrorOfTheCommandLine) {
  const TemporaryFolder folder;
  write_bytes(folder / "a.png", kJpegStart);
  for (const char* name : {"a.png", "nowhere"}) {
    try {
      find_images(folder / name);
      ADD_FAILURE() << "nothing was thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), ExitCode::kUsage);
    }
  }
}

}  // namespace
}  // namespace sdlora::data
