#include "common/error.h"

#include <cerrno>
#include <system_error>

namespace sdlora {
namespace {

std::string message_of(const Problem& problem) {
  std::string text = problem.what;
  const auto line = [&text](const char* label, const std::string& value) {
    if (!value.empty()) text += std::string("\n  ") + label + value;
  };
  line("expected: ", problem.expected);
  line("seen:     ", problem.seen);
  line("where:    ", problem.where);
  line("do:       ", problem.advice);
  return text;
}

}  // namespace

Error::Error(ExitCode exit_code, const Problem& problem)
    : std::runtime_error(message_of(problem)), exit_code_(exit_code) {}

std::string system_error_text() {
  return std::generic_category().message(errno);
}

Error io_error(const std::string& what, const std::filesystem::path& file, const std::string& advice) {
  return Error(ExitCode::kIo,
               {.what = what, .seen = system_error_text(), .where = file.string(), .advice = advice});
}

}  // namespace sdlora
