// The one error type. Every message says what went wrong, what was expected, what was seen, where, and what
// to do.
#pragma once

#include <concepts>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "common/shown_text.h"

namespace sdlora {

// Exit codes of every program (sysexits.h where it has one).
enum class ExitCode : int {
  kDone = 0,
  kUsage = 64,     // option or config
  kBadData = 65,   // a file is not what it should be; the message names it
  kInternal = 70,  // a defect of ours, or a hang that the watchdog ended
  kIo = 74,        // the file system refused
  kStopped = 75,   // stopped by a signal with a checkpoint saved: run me again
  kDiverged = 76,  // only non-finite steps
  kMismatch = 78,  // ranks disagree, or the machine does not fit
};

struct Problem {
  std::string what;      // one clause: "cannot open the model"
  std::string expected;  // empty parts are left out of the message
  std::string seen;
  std::string where;   // file, tensor, rank
  std::string advice;  // what the user can do
};

// The message is UTF-8, without control characters and of bounded length, whatever its parts are
// (shown_text.h).
class Error : public std::runtime_error {
 public:
  static constexpr size_t kLongestMessage = 9'000;  // bytes

  Error(ExitCode exit_code, const Problem& problem);

  // A message that is already whole, for example one that another rank sent. A template, so that braces make
  // a Problem and never a string.
  template <std::convertible_to<std::string> Text>
  Error(ExitCode exit_code, const Text& message)
      : std::runtime_error(shown_lines(message, kLongestMessage)), exit_code_(exit_code) {}

  ExitCode exit_code() const { return exit_code_; }

 private:
  ExitCode exit_code_;
};

// "No such file or directory" for errno's present value.
std::string system_error_text();

// Error(kIo) that says what could not be done with `file`, and why: errno's present value.
Error io_error(const std::string& what, const std::filesystem::path& file, const std::string& advice = "");

}  // namespace sdlora
