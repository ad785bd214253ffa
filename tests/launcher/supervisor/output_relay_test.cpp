#include "launcher/supervisor/output_relay.h"

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <unistd.h>

#include "launcher/supervisor/child_process.h"

namespace sdlora::launcher {
namespace {

int end_of(ChildProcess& child) {
  for (;;) {
    if (const auto exit_code = child.poll()) return *exit_code;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

// A file in the place of one of our standard files.
class InAFile {
 public:
  explicit InAFile(int number) : number_(number), saved_(::dup(number)) {
    std::string name = testing::TempDir() + "sdlora-relay-XXXXXX";
    const int file = ::mkstemp(name.data());
    ::dup2(file, number);
    ::close(file);
    name_ = name;
  }

  ~InAFile() {
    ::dup2(saved_, number_);
    ::close(saved_);
    std::filesystem::remove(name_);
  }

  // What was handed on is written by and by.
  std::string text_with(const std::string& last) const {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    for (;;) {
      std::ifstream stream(name_);
      const std::string text{std::istreambuf_iterator<char>(stream), {}};
      if (text.find(last) != std::string::npos || std::chrono::steady_clock::now() > deadline) return text;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

 private:
  const int number_, saved_;
  std::filesystem::path name_;
};

TEST(OutputRelay, HandsOnBothStreamsToTheirEnd) {
  const InAFile output(STDOUT_FILENO), error(STDERR_FILENO);
  {
    ChildProcess child({"sh", "-c", "seq 9000; echo error >&2; printf 'no end' >&2"}, {});
    EXPECT_EQ(end_of(child), 0);
  }
  EXPECT_EQ(error.text_with("no end"), "error\nno end");
  const std::string numbers = output.text_with("\n9000\n");
  EXPECT_EQ(std::count(numbers.begin(), numbers.end(), '\n'), 9000);
}

TEST(OutputRelay, DoesNotWaitForAProcessThatLivesOn) {
  const auto start = std::chrono::steady_clock::now();
  {
    ChildProcess child({"sh", "-c", "setsid sleep 4 & exit 0"}, {});
    EXPECT_EQ(end_of(child), 0);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(3));
}

TEST(OutputRelay, AProgramHasNoTerminalOfOurs) {
  ChildProcess child({"sh", "-c", "test \"$(ps -o sid= -p $$ | tr -d ' ')\" = $$"}, {});
  EXPECT_EQ(end_of(child), 0);
}

}  // namespace
}  // namespace sdlora::launcher
