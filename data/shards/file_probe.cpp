#include "data/shards/file_probe.h"

#include <cerrno>
#include <csignal>
#include <exception>
#include <functional>
#include <initializer_list>

#include <ATen/Parallel.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/error.h"
#include "data/shards/shard_reader.h"
#include "data/shards/text_file.h"

namespace sdlora::data {
namespace {

constexpr rlim_t kProbeCpuSeconds = 600;
constexpr int kPatienceMilliseconds = 100;

using Probe = std::function<int64_t()>;

// In the child: its whole life.
[[noreturn]] void probe_and_exit(const Probe& probe, int result_pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // A crash is an answer: nobody shall print a trace of it.
  for (const int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) std::signal(signal, SIG_DFL);
  const rlimit core{0, 0};
  const rlimit cpu{kProbeCpuSeconds, kProbeCpuSeconds};
  ::setrlimit(RLIMIT_CORE, &core);
  ::setrlimit(RLIMIT_CPU, &cpu);
  at::set_num_threads(1);  // the parent's threads are not here
  try {
    const int64_t answer = probe();
    ::_exit(::write(result_pipe, &answer, sizeof(answer)) == sizeof(answer) ? 0 : 1);
  } catch (const std::exception&) {
    ::_exit(1);
  }
}

// A child at work, which is killed when nobody waits for it any more.
class Child {
 public:
  Child(pid_t process, int result_pipe) : process_(process), result_pipe_(result_pipe) {}

  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  ~Child() {
    ::close(result_pipe_);
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    (void)end();
  }

  // Whether it has written or ended.
  bool has_something_to_say() const {
    pollfd waiting{.fd = result_pipe_, .events = POLLIN, .revents = 0};
    return ::poll(&waiting, 1, kPatienceMilliseconds) > 0;
  }

  // Nothing when it wrote nothing, or ended in failure.
  std::optional<int64_t> answer() {
    int64_t answer = 0;
    ssize_t bytes = -1;
    while ((bytes = ::read(result_pipe_, &answer, sizeof(answer))) < 0 && errno == EINTR) continue;
    if (end() != 0 || bytes != sizeof(answer)) return std::nullopt;
    return answer;
  }

 private:
  int end() {
    int status = -1;
    while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) continue;
    process_ = -1;
    return status;
  }

  pid_t process_;
  int result_pipe_;
};

// The answer of a child process, or nothing when it threw or died.
std::optional<int64_t> answer_of_child(const Probe& probe,
                                       const std::function<void()>& while_waiting = nullptr) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC) != 0) throw io_error("cannot make a pipe", "");
  const pid_t process = ::fork();
  if (process == 0) probe_and_exit(probe, ends[1]);
  ::close(ends[1]);
  Child child(process, ends[0]);
  if (process < 0)
    throw Error(ExitCode::kIo, {.what = "cannot start a process that looks at a file",
                                .seen = system_error_text(),
                                .advice = "check the limits on processes (ulimit -u)"});
  while (!child.has_something_to_say())
    if (while_waiting) while_waiting();
  return child.answer();
}

bool has_attributes(hid_t file, std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (H5Aexists(file, name) <= 0) return false;
  return true;
}

}  // namespace

std::optional<int64_t> cache_format_of(const std::filesystem::path& file) {
  return answer_of_child([&] {
    const Hdf5Handle opened = open_hdf5_file(file);
    const Hdf5Place place{ExitCode::kBadData, file.string()};
    const bool is_ours = has_attributes(opened.id(), {"format_version", "inputs_sha256"}) &&
                         (has_attributes(opened.id(), {"vae_scaling_factor", "vae_sha256"}) ||
                          has_attributes(opened.id(), {"text_encoder_sha256", "tokenizer_sha256"}));
    if (!is_ours) place.fail("a file of a cache", "another");
    return read_integer_attribute(opened.id(), "format_version", place);
  });
}

std::optional<int64_t> row_count_of_whole_file(const std::filesystem::path& file, CacheFileKind kind,
                                               const std::function<void()>& while_waiting) {
  const Probe count_rows = [&] {
    if (kind == CacheFileKind::kShard) return read_shard(file).picture_count();
    TextFile text(file);
    text.check_rows();
    return text.shape()[0];
  };
  return answer_of_child(count_rows, while_waiting);
}

}  // namespace sdlora::data
