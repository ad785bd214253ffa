#include "data/caching/scan_memory.h"

#include <chrono>
#include <thread>

#include <gmock/gmock.h>

#include "common/atomic_file.h"
#include "tests/support/temporary_folder.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

class AScanMemory : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(pictures_);
    write_text_atomically(picture_, "a picture");
  }

  // Older than what a file system's clock may be behind.
  static void grow_old() { std::this_thread::sleep_for(std::chrono::milliseconds(2100)); }

  // Looks, keeps and saves, as a run does.
  InspectedImage scan(const std::string& seen_now, const std::string& unusable_reason = {}) {
    ScanMemory memory(folder_ / "scans", pictures_);
    const Look look = memory.look_at("a.png", picture_, [&] {
      ++looks_;
      return InspectedImage{
          .sha256 = seen_now, .unusable_reason = unusable_reason, .other_kind = "a JPEG", .size = {3, 4}};
    });
    memory.keep("a.png", look);
    memory.save();
    return look.seen;
  }

  const TemporaryFolder folder_;
  const fs::path pictures_ = folder_ / "pictures", picture_ = pictures_ / "a.png";
  int looks_ = 0;
};

TEST_F(AScanMemory, LooksAgainOnlyWhenTheFileHasChanged) {
  grow_old();
  EXPECT_EQ(scan("first").sha256, "first");
  const InspectedImage known = scan("second");
  EXPECT_EQ(known.sha256, "first");
  EXPECT_EQ(known.other_kind, "a JPEG");
  EXPECT_EQ(known.size, (PictureSize{3, 4}));
  EXPECT_EQ(looks_, 1);
  const auto time = fs::last_write_time(picture_);
  write_text_atomically(picture_, "b picture");  // as many bytes
  fs::last_write_time(picture_, time);
  EXPECT_EQ(scan("third").sha256, "third");
}

TEST_F(AScanMemory, DoesNotTrustAFileThatHasJustChanged) {
  EXPECT_EQ(scan("first").sha256, "first");
  EXPECT_EQ(scan("second").sha256, "second");
}

TEST_F(AScanMemory, LooksAgainAtWhatWasOfNoUse) {
  grow_old();
  scan("first", "is damaged");
  scan("second", "is damaged");
  EXPECT_EQ(looks_, 2);
}

TEST_F(AScanMemory, IsAsGoodAsNoneWhenItIsDamagedOrOfAnotherVersion) {
  grow_old();
  scan("first");
  const fs::path note = fs::directory_iterator(folder_ / "scans")->path();
  const std::string whole = read_text(note);
  int looks = looks_;
  for (const std::string& text :
       {whole.substr(0, whole.size() / 2), std::string("[]"), std::string(R"({"version": 1})"),
        std::string(R"({"version": 1, "files": {"a.png": ["x"]}})"),
        std::string(R"({"version": 0, "files": {}})")}) {
    write_text_atomically(note, text);
    scan("again");
    EXPECT_EQ(looks_, ++looks) << text;
  }
  scan("known again");
  EXPECT_EQ(looks_, looks);
}

TEST_F(AScanMemory, IsHandedToOtherRanksAsText) {
  grow_old();
  scan("first");
  const ScanMemory memory = ScanMemory::from_text(ScanMemory(folder_ / "scans", pictures_).to_text());
  const Look look = memory.look_at("a.png", picture_, [] { return InspectedImage{}; });
  EXPECT_EQ(look.seen.sha256, "first");
}

TEST_F(AScanMemory, WithoutAPlaceRemembersNothing) {
  grow_old();
  ScanMemory memory(fs::path(), pictures_);
  memory.keep("a.png", memory.look_at("a.png", picture_, [] { return InspectedImage{.sha256 = "x"}; }));
  memory.save();
  EXPECT_EQ(ScanMemory(fs::path(), pictures_).to_text(), ScanMemory().to_text());
}

}  // namespace
}  // namespace sdlora::data
