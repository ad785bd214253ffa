#include "tests/fuzz/fuzz_verdict.h"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <typeinfo>

#include <nlohmann/json.hpp>
#include <unistd.h>

namespace sdlora::fuzz {
namespace {

constexpr size_t kLongestMessage = 10'000;

// Standard error as it was at first: run.sh lets libFuzzer close it, for what the readers log.
const int report = ::dup(STDERR_FILENO);

[[noreturn]] void say_what_was_thrown() {
  try {
    std::rethrow_exception(std::current_exception());
  } catch (const std::exception& exception) {
    ::dprintf(report, "FINDING: an exception that is no Error: %s: %s\n", typeid(exception).name(),
              exception.what());
  } catch (...) {
  }
  std::abort();
}

const std::terminate_handler previous_handler = std::set_terminate(say_what_was_thrown);

bool is_utf8(std::string_view text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::type_error&) {
    return false;
  }
}

bool is_control(char letter) {
  const auto byte = static_cast<unsigned char>(letter);
  return (byte < ' ' && letter != '\n' && letter != '\t') || byte == 0x7f;
}

}  // namespace

[[noreturn]] void finding(const char* what, std::string_view detail) {
  ::dprintf(report, "FINDING: %s: %.*s\n", what, static_cast<int>(detail.size()), detail.data());
  std::abort();
}

void judge_message(std::string_view message) {
  if (message.empty()) finding("a message without a word", message);
  if (message.size() > kLongestMessage) finding("a message longer than 10 kB", message);
  if (!is_utf8(message)) finding("a message that is not UTF-8", message);
  for (const char letter : message)
    if (is_control(letter)) finding("a control character in a message", message);
}

void judge(const Error& error) {
  if (error.exit_code() == ExitCode::kInternal) finding("a bad input called a defect of ours", error.what());
  judge_message(error.what());
}

std::string_view take_part(std::string_view& rest) {
  constexpr std::string_view kBorder = "\n====\n";
  const size_t end = rest.find(kBorder);
  const std::string_view part = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + kBorder.size());
  return part;
}

}  // namespace sdlora::fuzz
