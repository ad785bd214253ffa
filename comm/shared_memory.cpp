#include "comm/shared_memory.h"

#include <cstring>
#include <sstream>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::comm {
namespace {

// A file of memory (memfd_create(2)), which unlike one in /dev/shm has no size limit of its own and no name
// to leave behind. Other processes open it by way of the one that made it, while that holds it open.
class MemoryFile {
 public:
  MemoryFile() = default;
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  ~MemoryFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  void create(size_t byte_count) {
    descriptor_ = ::memfd_create("sdlora-weights", MFD_CLOEXEC);
    if (descriptor_ < 0 || ::ftruncate(descriptor_, static_cast<off_t>(byte_count)) != 0) fail("made");
  }

  // "PID DESCRIPTOR DEVICE INODE": where it is, and what tells it from another file there.
  std::string address() const { return fmt::format("{} {} {}", ::getpid(), descriptor_, identity()); }

  void open(const std::string& address) {
    std::istringstream words(address);
    std::string pid, descriptor, wanted;
    std::getline(words >> pid >> descriptor >> std::ws, wanted);
    descriptor_ = ::open(fmt::format("/proc/{}/fd/{}", pid, descriptor).c_str(), O_RDWR | O_CLOEXEC);
    if (descriptor_ < 0) fail("opened");
    if (identity() == wanted) return;
    errno = ESRCH;  // a process of that number in another container
    fail("found");
  }

  std::shared_ptr<void> map(size_t byte_count) const {
    void* const memory = ::mmap(nullptr, byte_count, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor_, 0);
    if (memory == MAP_FAILED) fail("mapped");
    ::madvise(memory, byte_count, MADV_HUGEPAGE);  // where the system allows it; faster
    return {memory, [byte_count](void* p) { ::munmap(p, byte_count); }};
  }

 private:
  std::string identity() const {
    struct stat status {};

    if (::fstat(descriptor_, &status) != 0) fail("looked at");
    return fmt::format("{} {}", status.st_dev, status.st_ino);
  }

  [[noreturn]] static void fail(const char* what) {
    throw Error(ExitCode::kInternal,
                fmt::format("a file of memory cannot be {}: {}", what, system_error_text()));
  }

  int descriptor_ = -1;
};

}  // namespace

std::shared_ptr<void> share_memory_on_host(Communicator& world, size_t byte_count) {
  MemoryFile file;
  std::shared_ptr<void> memory;
  try {
    std::string address;
    fail_together(world, [&] {
      if (world.local_rank() != 0) return;
      file.create(byte_count);
      address = file.address();
    });
    world.broadcast_on_host(address);
    fail_together(world, [&] {
      if (world.local_rank() != 0) file.open(address);
      memory = file.map(byte_count);
    });
  } catch (const Error& error) {
    if (world.rank() == 0)
      log::warning(std::string("the ranks of a host share no memory; each holds its own: ") + error.what());
    return {};
  }
  return memory;
}

}  // namespace sdlora::comm
