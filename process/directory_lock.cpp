#include "process/directory_lock.h"

#include <array>
#include <cerrno>
#include <climits>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/host.h"
#include "common/log.h"

namespace sdlora::process {
namespace {

constexpr std::chrono::milliseconds kPatienceWithDeadRanks{8000};

Error io_error(const std::filesystem::path& file, const std::string& seen) {
  return Error(ExitCode::kIo, {.what = "cannot make the lock of the output directory",
                               .seen = seen,
                               .where = file.string(),
                               .advice = "check --output, its permissions and the free space"});
}

int open_file(const std::filesystem::path& file) {
  std::error_code failure;
  std::filesystem::create_directories(file.parent_path(), failure);
  if (failure) throw io_error(file, failure.message());
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (descriptor < 0) throw io_error(file, system_error_text());
  return descriptor;
}

std::string text_in(int descriptor) {
  std::array<char, 512> text{};
  const ssize_t size = ::pread(descriptor, text.data(), text.size(), 0);
  std::string found(text.data(), size > 0 ? static_cast<size_t>(size) : 0);
  while (!found.empty() && found.back() == '\n') found.pop_back();
  return found.empty() ? "another process" : found;
}

std::string describe_self(const std::string& holder) {
  const auto now = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  return fmt::format("{}, process {} on {}, since {:%F %T} UTC\n", holder, ::getpid(), host_name(), now);
}

// Whether it was taken; false: another holds it. Throws what else flock() says.
bool try_lock(int descriptor, const std::filesystem::path& file) {
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) return true;
  if (errno == EWOULDBLOCK || errno == EINTR) return false;
  if (errno != ENOLCK && errno != EOPNOTSUPP && errno != ENOSYS) throw io_error(file, system_error_text());
  log::warning(
      fmt::format("{}: this file system has no locks ({}): nothing keeps a second run out of the directory",
                  file.string(), system_error_text()));
  return true;
}

}  // namespace

DirectoryLock::DirectoryLock(const std::filesystem::path& file, const std::string& holder,
                             std::chrono::milliseconds patience)
    : descriptor_(open_file(file)) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  try {
    while (!try_lock(descriptor_, file)) {
      if (std::chrono::steady_clock::now() >= deadline)
        throw Error(ExitCode::kMismatch, {.what = "the output directory belongs to another run that is alive",
                                          .seen = "held by " + text_in(descriptor_),
                                          .where = file.string(),
                                          .advice = "wait for it, stop it, or choose another --output"});
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    const std::string self = describe_self(holder);
    if (::ftruncate(descriptor_, 0) != 0 ||
        ::pwrite(descriptor_, self.data(), self.size(), 0) != static_cast<ssize_t>(self.size()))
      throw io_error(file, system_error_text());
  } catch (...) {
    ::close(descriptor_);
    throw;
  }
}

DirectoryLock::~DirectoryLock() {
  ::close(descriptor_);
}

std::unique_ptr<DirectoryLock> own_run_directory(const std::filesystem::path& output,
                                                 comm::Communicator& world) {
  std::unique_ptr<DirectoryLock> lock;
  comm::fail_together(world, [&] {
    if (world.rank() == 0)
      lock = std::make_unique<DirectoryLock>(output / "trainer.lock", "trainer", kPatienceWithDeadRanks);
  });
  return lock;
}

std::unique_ptr<DirectoryLock> own_supervision(const std::filesystem::path& output) {
  return std::make_unique<DirectoryLock>(output / "launcher.lock", "launcher", std::chrono::milliseconds(0));
}

}  // namespace sdlora::process
