#include "tests/fuzz/fuzz_verdict.h"

#include <cstdio>
#include <cstdlib>
#include <string>

#include <nlohmann/json.hpp>

namespace sdlora::fuzz {
namespace {

constexpr size_t kLongestMessage = 10'000;

[[noreturn]] void finding(const char* what, std::string_view message) {
  std::fprintf(stderr, "FINDING: %s: %.*s\n", what, static_cast<int>(message.size()), message.data());
  std::abort();
}

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
