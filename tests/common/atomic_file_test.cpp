#include "common/atomic_file.h"

#include <csignal>
#include <thread>

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/support/error_of.h"
#include "tests/support/temporary_folder.h"

namespace sdlora {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::UnorderedElementsAre;

// Writes beyond this many bytes of a file fail with EFBIG, as a full disk fails with ENOSPC.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_limit_);
    const rlimit limit{bytes, old_limit_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }

  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_limit_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  rlimit old_limit_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(AtomicFile, WritesAndReadsBackAnyBytes) {
  const TemporaryFolder folder;
  const std::string text("a\0b\r\n\xff", 6);
  write_text_atomically(folder / "file", text);
  EXPECT_EQ(read_text(folder / "file"), text);
  write_text_atomically(folder / "file", "");
  EXPECT_EQ(read_text(folder / "file"), "");
  EXPECT_THAT(folder.names(), ElementsAre("file"));
}

TEST(AtomicFile, KeepsTheOldFileWhenWritingFails) {
  const TemporaryFolder folder;
  write_text_atomically(folder / "file", "old");
  std::string message;
  {
    const FileSizeLimit limit(1000);
    message = error_of([&] { write_text_atomically(folder / "file", std::string(5000, 'x')); });
  }
  EXPECT_THAT(message,
              AllOf(StartsWith("74"), HasSubstr("File too large"), HasSubstr(folder.path().string())));
  EXPECT_EQ(read_text(folder / "file"), "old");
  EXPECT_THAT(folder.names(), ElementsAre("file"));
}

TEST(AtomicFile, RemovesItsTemporaryFileWhateverTheWriterThrows) {
  const TemporaryFolder folder;
  EXPECT_THROW(write_file_atomically(folder / "file",
                                     [](const std::filesystem::path& temporary) {
                                       write_bytes(temporary, "half");
                                       throw std::logic_error("no more");
                                     }),
               std::logic_error);
  EXPECT_THAT(folder.names(), IsEmpty());
}

TEST(AtomicFile, SaysWhereAFolderIsMissingOrInTheWay) {
  const TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { write_text_atomically(folder / "absent" / "file", "x"); }),
              AllOf(StartsWith("74"), HasSubstr("No such file"), HasSubstr("absent/file")));
  std::filesystem::create_directory(folder / "file");
  EXPECT_THAT(error_of([&] { write_text_atomically(folder / "file", "x"); }),
              AllOf(StartsWith("74"), HasSubstr("Is a directory"), HasSubstr("file")));
  EXPECT_THAT(folder.names(), ElementsAre("file"));
}

TEST(AtomicFile, DoesNotWaitForAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  EXPECT_THAT(error_of([&] { read_text(folder / "pipe"); }), AllOf(StartsWith("74"), HasSubstr("a pipe")));
}

TEST(AtomicFile, NeverPutsAFileInThePlaceOfADeviceOrAPipe) {
  const TemporaryFolder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe").c_str(), 0600), 0);
  std::filesystem::create_symlink("/dev/null", folder / "link");
  for (const char* name : {"pipe", "link"}) {
    EXPECT_THAT(error_of([&] { write_text_atomically(folder / name, "x"); }),
                AllOf(StartsWith("74"), HasSubstr("which a finished file would replace"), HasSubstr(name)));
  }
  EXPECT_TRUE(std::filesystem::is_fifo(folder / "pipe"));
  EXPECT_TRUE(std::filesystem::is_symlink(folder / "link"));
  EXPECT_THAT(folder.names(), UnorderedElementsAre("link", "pipe"));
}

TEST(AtomicFile, ReadersMeetTheOldOrTheNewTextOnly) {
  const TemporaryFolder folder;
  const std::string old_text(100'000, 'o');
  const std::string new_text(200'000, 'n');
  write_text_atomically(folder / "file", old_text);
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) write_text_atomically(folder / "file", i % 2 == 0 ? new_text : old_text);
  });
  for (int i = 0; i < 200; ++i) {
    const std::string seen = read_text(folder / "file");
    EXPECT_TRUE(seen == old_text || seen == new_text) << seen.size();
  }
  writer.join();
}

}  // namespace
}  // namespace sdlora
