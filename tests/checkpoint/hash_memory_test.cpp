#include "checkpoint/hash_memory.h"

#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

class AHashMemory : public testing::Test {
 protected:
  void SetUp() override {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write("first");
  }

  void write(const std::string& text) { std::ofstream(file_) << text; }

  void grow_old() { std::this_thread::sleep_for(std::chrono::milliseconds(2100)); }

  std::vector<fs::path> notes() const {
    std::vector<fs::path> found;
    if (fs::exists(memory_)) found.assign(fs::directory_iterator(memory_), fs::directory_iterator());
    return found;
  }

  const fs::path folder_ = fs::temp_directory_path() / "hash_memory_test", file_ = folder_ / "weights",
                 memory_ = folder_ / "hashes";
  const HashMemory hashes_{memory_, /*least_bytes=*/1};
};

TEST_F(AHashMemory, ReadsAFileOnceAndAgainWhenItHasChanged) {
  grow_old();
  EXPECT_EQ(hashes_.sha256_of_file(file_), sha256_of("first"));
  ASSERT_EQ(notes().size(), 1U);
  // What it says now can only come from the note.
  std::string note = read_text(notes().front());
  note.replace(note.find(sha256_of("first")), 64, sha256_of("from memory"));
  write_text_atomically(notes().front(), note);
  EXPECT_EQ(hashes_.sha256_of_file(file_), sha256_of("from memory"));
  write("other");  // as many bytes
  EXPECT_EQ(hashes_.sha256_of_file(file_), sha256_of("other"));
}

TEST_F(AHashMemory, DoesNotTrustAFileThatHasJustChanged) {
  EXPECT_EQ(hashes_.sha256_of_file(file_), sha256_of("first"));
  EXPECT_TRUE(notes().empty());
}

TEST_F(AHashMemory, IsAsGoodAsNoneWhenItsNotesAreDamaged) {
  grow_old();
  hashes_.sha256_of_file(file_);
  ASSERT_EQ(notes().size(), 1U);
  std::string note = read_text(notes().front());
  note.replace(note.find(sha256_of("first")), 64, "no hash");
  for (const std::string& damaged : {note, std::string("{\"identity\": 3")}) {
    write_text_atomically(notes().front(), damaged);
    EXPECT_EQ(hashes_.sha256_of_file(file_), sha256_of("first"));
  }
}

TEST_F(AHashMemory, IsAsGoodAsNoneWhereItCannotBeKept) {
  grow_old();
  EXPECT_EQ(HashMemory(file_ / "below a file", 1).sha256_of_file(file_), sha256_of("first"));
  EXPECT_EQ(HashMemory({}, 1).sha256_of_file(file_), sha256_of("first"));
}

TEST_F(AHashMemory, LeavesSmallFilesAlone) {
  grow_old();
  HashMemory(memory_).sha256_of_file(file_);
  EXPECT_TRUE(notes().empty());
}

TEST_F(AHashMemory, NamesTheFileThatCannotBeRead) {
  try {
    hashes_.sha256_of_file(folder_ / "absent");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kIo);
    EXPECT_NE(std::string(error.what()).find("absent"), std::string::npos);
  }
}

}  // namespace
}  // namespace sdlora::checkpoint
