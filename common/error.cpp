#include "common/error.h"

#include <cerrno>
#include <system_error>

namespace sdlora {
namespace {

// Of a part of a message, in bytes; what was seen may be a list.
constexpr size_t kLongestPart = 1'000, kLongestSeen = 5'000;

std::string message_of(const Problem& problem) {
  std::string text = shown_lines(problem.what, kLongestPart);
  const auto line = [&](const char* label, const std::string& value) {
    const size_t longest = &value == &problem.seen ? kLongestSeen : kLongestPart;
    if (!value.empty()) text += std::string("\n  ") + label + shown_lines(value, longest);
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
