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

  static std::string hash_of(char digit) { return std::string(64, digit); }

  // Looks, keeps and saves, as a run does.
  InspectedImage scan(char seen_now, const std::string& unusable_reason = {}) {
    ScanMemory memory(note_);
    const Look look = memory.look_at(picture_, LookAt::kPicture, [&] {
      ++looks_;
      return InspectedImage{.sha256 = hash_of(seen_now),
                            .unusable_reason = unusable_reason,
                            .other_kind = "a JPEG",
                            .size = {3, 4}};
    });
    memory.keep(picture_, LookAt::kPicture, look);
    memory.save_to(note_);
    return look.seen;
  }

  const TemporaryFolder folder_;
  const fs::path pictures_ = folder_ / "pictures", picture_ = pictures_ / "a.png",
                 note_ = folder_ / "scan.json";
  int looks_ = 0;
};

TEST_F(AScanMemory, LooksAgainOnlyWhenTheFileHasChanged) {
  grow_old();
  EXPECT_EQ(scan('1').sha256, hash_of('1'));
  const InspectedImage known = scan('2');
  EXPECT_EQ(known.sha256, hash_of('1'));
  EXPECT_EQ(known.other_kind, "a JPEG");
  EXPECT_EQ(known.size, (PictureSize{3, 4}));
  EXPECT_EQ(looks_, 1);
  const auto time = fs::last_write_time(picture_);
  write_text_atomically(picture_, "b picture");  // as many bytes
  fs::last_write_time(picture_, time);
  EXPECT_EQ(scan('3').sha256, hash_of('3'));
}

TEST_F(AScanMemory, DoesNotTrustAFileThatHasJustChanged) {
  EXPECT_EQ(scan('1').sha256, hash_of('1'));
  EXPECT_EQ(scan('2').sha256, hash_of('2'));
}

TEST_F(AScanMemory, LooksAgainAtWhatWasOfNoUse) {
  grow_old();
  scan('1', "is damaged");
  scan('2', "is damaged");
  EXPECT_EQ(looks_, 2);
}

TEST_F(AScanMemory, IsAsGoodAsNoneWhenItIsDamagedOrOfAnotherVersion) {
  grow_old();
  scan('1');
  const std::string whole = read_text(note_);
  int looks = looks_;
  for (const std::string& text :
       {whole.substr(0, whole.size() / 2), std::string("[]"), std::string(R"({"version": 1})"),
        std::string(R"({"version": 1, "looks": {"a.png": ["x"]}})"),
        std::string(R"({"version": 0, "looks": {}})")}) {
    write_text_atomically(note_, text);
    scan('4');
    EXPECT_EQ(looks_, ++looks) << text;
  }
  scan('5');
  EXPECT_EQ(looks_, looks);
}

TEST_F(AScanMemory, DoesNotTakeAMaskForAPicture) {
  grow_old();
  scan('1');
  int looks = 0;
  (void)ScanMemory(note_).look_at(picture_, LookAt::kMask, [&] { return ++looks, InspectedImage{}; });
  EXPECT_EQ(looks, 1);
}

TEST_F(AScanMemory, WithAHashThatIsNotTheOneThatWasWrittenKnowsNothing) {
  grow_old();
  scan('1');
  std::string text = read_text(note_);
  text[text.find(hash_of('1'))] = '2';
  write_text_atomically(note_, text);
  EXPECT_EQ(scan('3').sha256, hash_of('3'));
}

TEST_F(AScanMemory, ForgetsWhatIsGoneAndWritesOnlyWhatIsNew) {
  grow_old();
  scan('1');
  const auto time = fs::last_write_time(note_);
  scan('2');
  EXPECT_EQ(fs::last_write_time(note_), time) << "nothing is new";
  ScanMemory memory(note_);
  memory.forget_the_rest();
  memory.save_to(note_);
  EXPECT_EQ(scan('3').sha256, hash_of('3'));
}

TEST_F(AScanMemory, IsHandedToOtherRanksAsText) {
  grow_old();
  scan('1');
  const ScanMemory memory = ScanMemory::from_text(ScanMemory(note_).to_text());
  const Look look = memory.look_at(picture_, LookAt::kPicture, [] { return InspectedImage{}; });
  EXPECT_EQ(look.seen.sha256, hash_of('1'));
}

TEST_F(AScanMemory, ThatCannotBeWrittenOnlyCostsTime) {
  grow_old();
  ScanMemory memory;
  memory.keep(picture_, LookAt::kPicture,
              memory.look_at(picture_, LookAt::kPicture, [] { return InspectedImage{}; }));
  memory.save_to(folder_ / "nowhere" / "scan.json");
  EXPECT_FALSE(fs::exists(folder_ / "nowhere"));
}

}  // namespace
}  // namespace sdlora::data
