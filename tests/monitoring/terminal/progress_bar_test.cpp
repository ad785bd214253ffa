#include "monitoring/terminal/progress_bar.h"

#include <algorithm>
#include <array>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <pty.h>
#include <unistd.h>

#include "common/log.h"

namespace sdlora::monitoring {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

// Two ends of a pipe or of a terminal: the bar writes to one, the test reads from the other.
class Channel {
 public:
  static Channel pipe() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe(ends.data()), 0);
    return Channel(ends[0], ends[1]);
  }

  static Channel terminal(unsigned short columns) {
    int reader = -1, writer = -1;
    const winsize size{.ws_row = 24, .ws_col = columns, .ws_xpixel = 0, .ws_ypixel = 0};
    EXPECT_EQ(openpty(&reader, &writer, nullptr, nullptr, &size), 0);
    return Channel(reader, writer);
  }

  ~Channel() {
    close(reader_);
    close(writer_);
  }

  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  int writer() const { return writer_; }

  // What was written since the last call.
  std::string text() const {
    std::string text;
    std::array<char, 4096> buffer{};
    for (ssize_t count; (count = read(reader_, buffer.data(), buffer.size())) > 0;)
      text.append(buffer.data(), count);
    return text;
  }

 private:
  Channel(int reader, int writer) : reader_(reader), writer_(writer) { fcntl(reader_, F_SETFL, O_NONBLOCK); }

  int reader_;
  int writer_;
};

class ProgressBarTest : public testing::Test {
 protected:
  ProgressBarOptions options(const Channel& channel) {
    return {.file_descriptor = channel.writer(),
            .clock_seconds = [this] { return now_seconds_; },
            .write_plain_line = [this](const std::string& line) { plain_lines_.push_back(line); }};
  }

  double now_seconds_ = 1000;
  std::vector<std::string> plain_lines_;
};

size_t count_of(const std::string& text, const std::string& word) {
  size_t count = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++count;
  return count;
}

TEST_F(ProgressBarTest, RedrawsOneLineOnATerminal) {
  const Channel terminal = Channel::terminal(100);
  ProgressBar bar(10, "training", "steps", options(terminal));
  bar.update(1, "loss 0.5");
  now_seconds_ += 1;
  bar.update(2, "loss 0.4");
  const std::string text = terminal.text();
  EXPECT_EQ(count_of(text, "\r\x1b[K"), 2U);
  EXPECT_EQ(count_of(text, "\n"), 0U);
  EXPECT_THAT(text, HasSubstr("2/10 steps"));
  EXPECT_THAT(text, EndsWith("loss 0.4"));
  bar.finish();
  EXPECT_EQ(count_of(terminal.text(), "\n"), 1U);
}

TEST_F(ProgressBarTest, FitsTheTerminal) {
  for (const unsigned short columns : std::array<unsigned short, 4>{20, 40, 79, 132}) {
    const Channel terminal = Channel::terminal(columns);
    ProgressBar bar(500, "training", "steps", options(terminal));
    now_seconds_ += 100;
    bar.update(250, "loss 0.0123");
    std::string text = terminal.text();
    text.erase(0, std::string("\r\x1b[K").size());
    EXPECT_LT(text.size(), columns);
    EXPECT_THAT(text, HasSubstr("250/500"));
  }
}

TEST_F(ProgressBarTest, DrawsAtMostTenTimesASecond) {
  const Channel terminal = Channel::terminal(100);
  ProgressBar bar(1000, "training", "steps", options(terminal));
  for (int64_t done = 1; done <= 1000; ++done) {
    now_seconds_ += 0.001;
    bar.update(done);
  }
  EXPECT_LE(count_of(terminal.text(), "\r\x1b[K"), 11U);
  bar.finish();
  EXPECT_THAT(terminal.text(), HasSubstr("1000/1000 steps"));
}

TEST_F(ProgressBarTest, MakesRoomForAnotherLine) {
  const Channel terminal = Channel::terminal(100);
  ProgressBar bar(10, "training", "steps", options(terminal));
  const auto write_line = [&] { EXPECT_EQ(write(terminal.writer(), "a line\n", 7), 7); };
  bar.make_room(write_line);
  EXPECT_EQ(terminal.text(), "a line\r\n");
  bar.update(1);
  terminal.text();
  bar.make_room(write_line);
  const std::string text = terminal.text();
  EXPECT_THAT(text, StartsWith("\r\x1b[Ka line\r\n\r\x1b[K"));
  EXPECT_THAT(text, HasSubstr("1/10 steps"));
}

TEST_F(ProgressBarTest, ALineOfTheLogDoesNotCutThroughIt) {
  const Channel terminal = Channel::terminal(100);
  {
    ProgressBar bar(10, "training", "steps", options(terminal));
    bar.update(1);
    terminal.text();
    log::warning("a line of the log");  // on standard error, which is not this terminal
    EXPECT_THAT(terminal.text(), StartsWith("\r\x1b[K\r\x1b[K"));
  }
  terminal.text();
  log::warning("a line after the bar");
  EXPECT_EQ(terminal.text(), "");
}

TEST_F(ProgressBarTest, WritesPlainLinesNowAndThenIntoAPipe) {
  const Channel pipe = Channel::pipe();
  ProgressBar bar(100'000, "training", "steps", options(pipe));
  for (int64_t step = 1; step <= 1000; ++step) {
    now_seconds_ += 0.05;  // 50 s, 1 %
    bar.update(step, "loss 0.5");
  }
  EXPECT_GE(plain_lines_.size(), 4U);
  EXPECT_LE(plain_lines_.size(), 5U);
  EXPECT_THAT(plain_lines_, Each(StartsWith("training: ")));
  EXPECT_EQ(pipe.text(), "");
}

TEST_F(ProgressBarTest, WritesPlainLinesForTheLogFileBesideABar) {
  const Channel terminal = Channel::terminal(100);
  ProgressBar bar(20, "training", "steps", options(terminal));
  now_seconds_ += 2;
  bar.update(1);
  EXPECT_EQ(plain_lines_.size(), 1U);
  EXPECT_EQ(count_of(terminal.text(), "\n"), 0U);
}

TEST_F(ProgressBarTest, IsPlainLinesWhereTheLogIsJson) {
  const Channel terminal = Channel::terminal(100);
  log::set_format(log::Format::kJson);
  {
    ProgressBar bar(20, "training", "steps", options(terminal));
    bar.update(20);
  }
  log::set_format(log::Format::kText);
  EXPECT_EQ(terminal.text(), "");
  EXPECT_EQ(plain_lines_.size(), 1U);
}

TEST_F(ProgressBarTest, WritesALineEveryFivePercentOfAShortRun) {
  const Channel pipe = Channel::pipe();
  ProgressBar bar(20, "training", "steps", options(pipe));
  for (int64_t step = 1; step <= 20; ++step) {
    now_seconds_ += 2;
    bar.update(step);
  }
  bar.finish();
  EXPECT_EQ(plain_lines_.size(), 20U);
}

TEST_F(ProgressBarTest, AlwaysWritesTheLastState) {
  const Channel pipe = Channel::pipe();
  {
    ProgressBar bar(3, "training", "steps", options(pipe));
    bar.update(3, "loss 0.1");
  }
  EXPECT_THAT(plain_lines_, ElementsAre("training: 3/3 steps (100 %), 00:00 gone, loss 0.1"));
}

TEST_F(ProgressBarTest, FinishesOnce) {
  const Channel pipe = Channel::pipe();
  ProgressBar bar(3, "training", "steps", options(pipe));
  bar.update(1);
  bar.finish();
  bar.finish();
  bar.update(2);
  EXPECT_EQ(plain_lines_.size(), 1U);
}

TEST_F(ProgressBarTest, AResumedRunIsJudgedByWhatItDidItself) {
  const Channel pipe = Channel::pipe();
  ProgressBarOptions resumed = options(pipe);
  resumed.already_done = 400;
  ProgressBar bar(500, "training", "steps", resumed);
  now_seconds_ += 20;
  bar.update(410);
  EXPECT_THAT(plain_lines_,
              ElementsAre(HasSubstr("410/500 steps (82 %), 0.50 steps/s, 00:20 gone, 03:00 left")));
}

TEST_F(ProgressBarTest, NeitherZeroWorkNorAClosedOutputIsAnError) {
  ProgressBarOptions closed = options(Channel::pipe());  // both ends are closed by now
  ProgressBar bar(0, "training", "steps", closed);
  bar.update(0);
  bar.update(5);
  now_seconds_ += 100;
  bar.update(6);
  bar.finish();
}

}  // namespace
}  // namespace sdlora::monitoring
