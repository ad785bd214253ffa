#include "common/output_queue.h"

#include <array>
#include <csignal>
#include <sstream>
#include <string>
#include <thread>

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace sdlora {
namespace {

using std::chrono::seconds;
using Milliseconds = OutputQueue::Milliseconds;

constexpr Milliseconds kPatience{5000};

class AnOutputQueue : public testing::Test {
 protected:
  AnOutputQueue() {
    ::signal(SIGPIPE, SIG_IGN);
    EXPECT_EQ(::pipe2(ends_.data(), O_CLOEXEC), 0);
    queue_.emplace(ends_[1], [](int64_t lines) { return fmt::format("({} missing)\n", lines); });
  }

  ~AnOutputQueue() override {
    queue_.reset();
    // A thread that still writes ends by this. The other end stays open: its number must not become another
    // file's while there may be such a thread.
    if (ends_[0] >= 0) ::close(ends_[0]);
  }

  // What is written until `last` is.
  std::string text_until(const std::string& last) {
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.find(last) == std::string::npos)
      text.append(buffer.data(), static_cast<size_t>(::read(ends_[0], buffer.data(), buffer.size())));
    return text;
  }

  // So many lines that neither the pipe nor the queue has room for them: the last ones are dropped.
  int write_too_much() {
    constexpr int kLines = 1000, kLinesAboveThePipe = 100;
    const std::string line = std::string(999, 'x') + "\n";
    std::string piece;
    while (piece.size() < kLinesAboveThePipe * line.size()) piece += line;
    queue_->write(piece, Milliseconds(0));
    wait_until_the_pipe_is_full();  // the thread takes nothing more out of the queue, then
    for (int i = kLinesAboveThePipe; i < kLines; ++i) queue_->write(line, Milliseconds(0));
    return kLines;
  }

  void wait_until_the_pipe_is_full() const {
    pollfd end{.fd = ends_[1], .events = POLLOUT, .revents = 0};
    while (::poll(&end, 1, 0) == 1) std::this_thread::yield();
  }

  std::array<int, 2> ends_{-1, -1};
  std::optional<OutputQueue> queue_;
};

TEST_F(AnOutputQueue, HasWrittenWhenItReturns) {
  ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
  for (int line = 0; line < 100; ++line) {
    queue_->write(fmt::format("line {}\n", line), kPatience);
    EXPECT_EQ(text_until("\n"), fmt::format("line {}\n", line));
  }
}

TEST_F(AnOutputQueue, HoldsNobodyUpAndCountsWhatItDrops) {
  const auto start = std::chrono::steady_clock::now();
  const int written_count = write_too_much();
  queue_->write("patient\n", Milliseconds(50));
  EXPECT_TRUE(queue_->is_behind());
  queue_->write_unless_behind("left out");
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(2));

  const std::string text = text_until("patient\n");
  EXPECT_TRUE(text.ends_with(" missing)\npatient\n")) << text.substr(text.size() - 100);
  int64_t lines = 0, missing = 0;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) {
    lines += line.starts_with('x') ? 1 : 0;
    missing += line.starts_with('(') ? std::stoll(line.substr(1)) : 0;
  }
  EXPECT_EQ(lines + missing, written_count);
  EXPECT_GT(lines, 200) << "what there was room for";
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("left out")));

  queue_->write("and on\n", kPatience);
  EXPECT_EQ(text_until("\n"), "and on\n");
  EXPECT_FALSE(queue_->is_behind());
}

TEST_F(AnOutputQueue, NotesAGapWhereItIs) {
  write_too_much();
  std::array<char, 4096> buffer{};
  std::string text;
  while (text.size() < 200'000)  // room for more, but the pipe is still full
    text.append(buffer.data(), static_cast<size_t>(::read(ends_[0], buffer.data(), buffer.size())));
  queue_->write("after the gap\n", Milliseconds(0));
  text += text_until("after the gap\n");
  EXPECT_THAT(text, testing::ContainsRegex("x\n.[0-9]+ missing.\nafter the gap\n$"));
}

TEST_F(AnOutputQueue, OutlivesItsReader) {
  ::close(std::exchange(ends_[0], -1));
  for (int line = 0; line < 100; ++line) queue_->write("nobody reads this\n", kPatience);
}

TEST_F(AnOutputQueue, WaitsForATerminalThatAnotherProgramMadeNonBlocking) {
  ::fcntl(ends_[1], F_SETFL, O_NONBLOCK);
  queue_->write(std::string(100'000, 'x') + "\n", Milliseconds(0));
  EXPECT_EQ(text_until("\n").size(), 100'001U);
}

TEST_F(AnOutputQueue, EndsInTimeWhenNobodyReads) {
  write_too_much();
  const auto start = std::chrono::steady_clock::now();
  queue_.reset();
  EXPECT_LT(std::chrono::steady_clock::now() - start, seconds(4));
}

TEST_F(AnOutputQueue, WritesInAProcessThatWasForkedOff) {
  queue_->write("parent\n", kPatience);
  const pid_t child = ::fork();
  if (child == 0) {
    queue_->write("child\n", kPatience);
    queue_->write_unless_behind("and a bar\n");
    ::_exit(0);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(text_until("bar\n"), "parent\nchild\nand a bar\n");
}

TEST_F(AnOutputQueue, LeavesSignalsToOtherThreads) {
  queue_->write("a thread\n", kPatience);
  sigset_t before, blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::kill(::getpid(), SIGUSR1);  // ends the process if any thread takes it
  const timespec time{.tv_sec = 5, .tv_nsec = 0};
  EXPECT_EQ(::sigtimedwait(&blocked, nullptr, &time), SIGUSR1);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace
}  // namespace sdlora
