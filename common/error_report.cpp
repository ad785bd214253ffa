#include "common/error_report.h"

#include <filesystem>
#include <new>
#include <system_error>

#include <c10/util/Exception.h>

namespace sdlora {
namespace {

std::string first_line_of(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

ErrorReport failure_of(const Problem& problem) {
  return {ExitCode::kInternal, Error(ExitCode::kInternal, problem).what()};
}

ErrorReport memory_failure(const std::string& seen) {
  return failure_of(
      {.what = "out of memory",
       .seen = seen,
       .advice = "use a smaller micro-batch or image size, fewer ranks on this host, or a larger machine"});
}

// A limit on processes (a cgroup's pids.max, ulimit -u) counts threads, too.
ErrorReport thread_failure(const std::string& seen) {
  return {
      ExitCode::kMismatch,
      Error(ExitCode::kMismatch,
            {.what = "no further thread or process can be started",
             .seen = seen,
             .advice = "raise the limit of this job or container on processes (pids.max, ulimit -u), or use "
                       "fewer --cpu-threads"})
          .what()};
}

ErrorReport defect(const std::string& seen) {
  return failure_of({.what = "a defect in the program: an error that it does not expect",
                     .seen = seen,
                     .advice = "please report it with this message and the log"});
}

// LibTorch has no type for it on the CPU: "DefaultCPUAllocator: can't allocate memory", "CUDA out of memory".
bool is_lack_of_memory(const std::string& text) {
  return text.find("out of memory") != std::string::npos ||
         text.find("allocate memory") != std::string::npos ||
         text.find("not enough memory") != std::string::npos;
}

}  // namespace

ErrorReport report_of(const std::exception_ptr& exception) {
  try {
    std::rethrow_exception(exception);
  } catch (const Error& error) {
    return {error.exit_code(), error.what()};
  } catch (const std::filesystem::filesystem_error& error) {
    const Error failure(ExitCode::kIo, {.what = "the file system refused something",
                                        .seen = error.code().message(),
                                        .where = error.path1().string(),
                                        .advice = "check that this user may read it, and its name"});
    return {failure.exit_code(), failure.what()};
  } catch (const std::system_error& error) {
    const bool is_limit = error.code() == std::errc::resource_unavailable_try_again;
    return is_limit ? thread_failure(error.what()) : defect(first_line_of(error.what()));
  } catch (const std::bad_alloc&) {
    return memory_failure("the system refused more main memory");
  } catch (const c10::Error& error) {
    const std::string line = first_line_of(error.what_without_backtrace());
    return is_lack_of_memory(line) ? memory_failure(line) : defect(line);
  } catch (const std::exception& error) {
    return defect(first_line_of(error.what()));
  } catch (...) {
    return defect("an exception of unknown type");
  }
}

}  // namespace sdlora
