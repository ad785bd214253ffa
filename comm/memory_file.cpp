#include "comm/memory_file.h"

#include <sstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/error.h"

namespace sdlora::comm {
namespace {

[[noreturn]] void fail(const char* what) {
  throw Error(ExitCode::kInternal,
              fmt::format("a file of memory cannot be {}: {}", what, system_error_text()));
}

}  // namespace

MemoryFile::~MemoryFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

void MemoryFile::create(size_t byte_count) {
  descriptor_ = ::memfd_create("sdlora", MFD_CLOEXEC);
  if (descriptor_ < 0 || ::ftruncate(descriptor_, static_cast<off_t>(byte_count)) != 0) fail("made");
}

std::string MemoryFile::address() const {
  return fmt::format("{} {} {}", ::getpid(), descriptor_, identity());
}

void MemoryFile::open(const std::string& address) {
  std::istringstream words(address);
  std::string pid, descriptor, wanted;
  std::getline(words >> pid >> descriptor >> std::ws, wanted);
  descriptor_ = ::open(fmt::format("/proc/{}/fd/{}", pid, descriptor).c_str(), O_RDWR | O_CLOEXEC);
  if (descriptor_ < 0) fail("opened");
  if (identity() == wanted) return;
  errno = ESRCH;  // a process of that number in another container
  fail("found");
}

std::shared_ptr<void> MemoryFile::map(size_t byte_count) const {
  void* const memory = ::mmap(nullptr, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
  if (memory == MAP_FAILED) fail("mapped");
  return {memory, [byte_count](void* p) { ::munmap(p, byte_count); }};
}

std::string MemoryFile::identity() const {
  struct stat status {};

  if (::fstat(descriptor_, &status) != 0) fail("looked at");
  return fmt::format("{} {}", status.st_dev, status.st_ino);
}

}  // namespace sdlora::comm
