// A library for LD_PRELOAD that plays a bad file system or a bad clock to a program of ours, and lets a rank
// leave early. What it does comes from the environment:
//
//   FAULT_CLOCK=jumping    the wall clock is a day ahead in every even second and a day behind in the others
//   FAULT_PATH=TEXT        the faults below meet files with this text in their path,
//   FAULT_WHILE=FILE       as long as this file exists:
//   FAULT_WRITE=ERRNO      write() and pwrite() fail with this number
//   FAULT_READ=ERRNO       read() and pread() fail with it; 0: they return at most 1,000 bytes a call
//   FAULT_READ_MILLISECONDS=N  read() takes this long
//   FAULT_SYNC_SECONDS=N   fsync() and fdatasync() take this long
//
// The signal SIGRTMIN + 1 makes the process leave with exit code 0, as a library might.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

namespace {

constexpr size_t kShortReadBytes = 1000;
constexpr time_t kDaySeconds = 86'400;

[[gnu::constructor]] void listen_for_the_signal_to_leave() {
  std::signal(SIGRTMIN + 1, [](int) { ::_exit(0); });
}

bool is_met(int descriptor) {
  const char* const part = std::getenv("FAULT_PATH");
  const char* const condition = std::getenv("FAULT_WHILE");
  if (part == nullptr || condition == nullptr || ::access(condition, F_OK) != 0) return false;
  char link[64], path[PATH_MAX];
  std::strcpy(link, "/proc/self/fd/");
  char* digits = link + std::strlen(link);
  int divisor = 1;
  while (descriptor / divisor >= 10) divisor *= 10;
  for (; divisor > 0; divisor /= 10) *digits++ = static_cast<char>('0' + descriptor / divisor % 10);
  *digits = '\0';
  const ssize_t size = ::readlink(link, path, sizeof path - 1);
  if (size < 0) return false;
  path[size] = '\0';
  return std::strstr(path, part) != nullptr;
}

// The number in a variable, or `absent`.
int number_in(const char* variable, int absent) {
  const char* const text = std::getenv(variable);
  return text == nullptr ? absent : std::atoi(text);
}

// False: the read fails with errno.
bool prepare_read(int descriptor, size_t& bytes) {
  const int failure = number_in("FAULT_READ", -1);
  if (failure < 0 || !is_met(descriptor)) return true;
  if (failure == 0 && bytes > kShortReadBytes) bytes = kShortReadBytes;
  errno = failure;
  return failure == 0;
}

// Sets errno.
bool fails_to_write(int descriptor) {
  const int failure = number_in("FAULT_WRITE", 0);
  if (failure == 0 || !is_met(descriptor)) return false;
  errno = failure;
  return true;
}

void wait_to_sync(int descriptor) {
  const int seconds = number_in("FAULT_SYNC_SECONDS", 0);
  if (seconds > 0 && is_met(descriptor)) ::sleep(static_cast<unsigned>(seconds));
}

void shift(timespec* time) {
  timespec steady{};
  ::syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &steady);
  time->tv_sec += steady.tv_sec % 2 == 0 ? kDaySeconds : -kDaySeconds;
}

}  // namespace

extern "C" {

ssize_t write(int descriptor, const void* source, size_t bytes) {
  return fails_to_write(descriptor) ? -1 : ::syscall(SYS_write, descriptor, source, bytes);
}

ssize_t pwrite(int descriptor, const void* source, size_t bytes, off_t begin) {
  return fails_to_write(descriptor) ? -1 : ::syscall(SYS_pwrite64, descriptor, source, bytes, begin);
}

ssize_t pwrite64(int descriptor, const void* source, size_t bytes, off64_t begin) {
  return fails_to_write(descriptor) ? -1 : ::syscall(SYS_pwrite64, descriptor, source, bytes, begin);
}

ssize_t read(int descriptor, void* destination, size_t bytes) {
  const int milliseconds = number_in("FAULT_READ_MILLISECONDS", 0);
  if (milliseconds > 0 && is_met(descriptor)) ::usleep(static_cast<useconds_t>(milliseconds) * 1000);
  return prepare_read(descriptor, bytes) ? ::syscall(SYS_read, descriptor, destination, bytes) : -1;
}

ssize_t pread(int descriptor, void* destination, size_t bytes, off_t begin) {
  return prepare_read(descriptor, bytes) ? ::syscall(SYS_pread64, descriptor, destination, bytes, begin) : -1;
}

ssize_t pread64(int descriptor, void* destination, size_t bytes, off64_t begin) {
  return prepare_read(descriptor, bytes) ? ::syscall(SYS_pread64, descriptor, destination, bytes, begin) : -1;
}

int fsync(int descriptor) {
  wait_to_sync(descriptor);
  return static_cast<int>(::syscall(SYS_fsync, descriptor));
}

int fdatasync(int descriptor) {
  wait_to_sync(descriptor);
  return static_cast<int>(::syscall(SYS_fdatasync, descriptor));
}

int clock_gettime(clockid_t clock, timespec* time) noexcept {
  const auto result = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (clock == CLOCK_REALTIME && std::getenv("FAULT_CLOCK") != nullptr) shift(time);
  return result;
}

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

}  // extern "C"
