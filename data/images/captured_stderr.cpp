#include "data/images/captured_stderr.h"

#include <cstdio>
#include <sstream>

#include <sys/mman.h>
#include <unistd.h>

namespace sdlora::data {

CapturedStderr::CapturedStderr()
    : saved_stderr_(::dup(STDERR_FILENO)), buffer_(::memfd_create("captured-stderr", MFD_CLOEXEC)) {
  std::fflush(stderr);
  if (buffer_ >= 0) ::dup2(buffer_, STDERR_FILENO);
}

CapturedStderr::~CapturedStderr() {
  std::fflush(stderr);
  if (saved_stderr_ >= 0) {
    ::dup2(saved_stderr_, STDERR_FILENO);
    ::close(saved_stderr_);
  }
  if (buffer_ >= 0) ::close(buffer_);
}

std::vector<std::string> CapturedStderr::take_lines() const {
  constexpr size_t kMostBytes = size_t{16} << 10;
  std::fflush(stderr);
  std::string text(kMostBytes, '\0');
  const ssize_t byte_count = ::pread(buffer_, text.data(), text.size(), 0);
  text.resize(byte_count > 0 ? static_cast<size_t>(byte_count) : 0);
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace sdlora::data
