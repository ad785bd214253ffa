#include "launcher/supervisor/output_relay.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <system_error>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include "common/error.h"
#include "common/log.h"

namespace sdlora::launcher {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kLookMilliseconds = 50;
constexpr std::chrono::seconds kLastPatience{1};
constexpr size_t kLongestLine = size_t{64} << 10;  // what is longer goes on in parts

void close_once(int& file) {
  if (file >= 0) ::close(file);
  file = -1;
}

[[noreturn]] void fail(const std::string& what, const std::string& seen) {
  throw Error(ExitCode::kInternal,
              {.what = what,
               .seen = seen,
               .advice = "check the limits on processes, threads and open files (ulimit -a, pids.max)"});
}

}  // namespace

OutputRelay::OutputRelay() {
  streams_[0].number = STDOUT_FILENO;
  streams_[1].number = STDERR_FILENO;
  try {
    for (Stream& stream : streams_) {
      std::array<int, 2> ends{};
      if (::pipe2(ends.data(), O_CLOEXEC) != 0) fail("cannot make a pipe", system_error_text());
      stream.our_end = ends[0];
      stream.program_end = ends[1];
    }
    thread_ = std::thread([this] { relay(); });
  } catch (const std::exception& failure) {
    for (Stream& stream : streams_) close_once(stream.our_end);
    close_program_ends();
    if (dynamic_cast<const std::system_error*>(&failure) == nullptr) throw;
    fail("cannot start a thread", failure.what());
  }
}

OutputRelay::~OutputRelay() {
  close_program_ends();
  is_over_ = true;
  thread_.join();
  for (Stream& stream : streams_) close_once(stream.our_end);
}

void OutputRelay::close_program_ends() {
  for (Stream& stream : streams_) close_once(stream.program_end);
}

void OutputRelay::relay() {
  std::array<pollfd, 2> looks{};
  Clock::time_point last_look = Clock::time_point::max();
  do {
    for (size_t i = 0; i < looks.size(); ++i)  // poll() passes over what is -1
      looks[i] = {.fd = streams_[i].our_end, .events = POLLIN, .revents = 0};
    ::poll(looks.data(), looks.size(), kLookMilliseconds);
    for (size_t i = 0; i < looks.size(); ++i)
      if (looks[i].revents != 0) take_from(streams_[i]);
    if (is_over_ && last_look == Clock::time_point::max()) last_look = Clock::now() + kLastPatience;
  } while (Clock::now() < last_look && (streams_[0].our_end >= 0 || streams_[1].our_end >= 0));
  for (Stream& stream : streams_) hand_on(stream, stream.begun.size());
}

void OutputRelay::take_from(Stream& stream) {
  std::array<char, 16384> buffer{};
  const ssize_t byte_count = ::read(stream.our_end, buffer.data(), buffer.size());
  if (byte_count < 0 && errno == EINTR) return;
  if (byte_count <= 0) return close_once(stream.our_end);
  stream.begun.append(buffer.data(), static_cast<size_t>(byte_count));
  const size_t end = stream.begun.find_last_of("\r\n") + 1;  // npos + 1 is 0
  hand_on(stream, stream.begun.size() > kLongestLine ? stream.begun.size() : end);
}

void OutputRelay::hand_on(Stream& stream, size_t byte_count) {
  if (byte_count == 0) return;
  const std::string text = stream.begun.substr(0, byte_count);
  stream.begun.erase(0, byte_count);
  if (stream.number == STDERR_FILENO)
    log::pass_on_to_terminal(text);
  else
    log::pass_on_to_standard_output(text);
}

}  // namespace sdlora::launcher
