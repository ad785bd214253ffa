#include "checkpoint/printable.h"

#include <fmt/format.h>

namespace sdlora::checkpoint {
namespace {

constexpr size_t kMaximumBytes = 100;
constexpr unsigned char kDelete = 0x7f;

}  // namespace

std::string printable(std::string_view text_of_a_file) {
  std::string text;
  for (const char letter : text_of_a_file) {
    if (text.size() >= kMaximumBytes) return text + "…";
    const auto byte = static_cast<unsigned char>(letter);
    if (byte < ' ' || byte == kDelete) {
      text += fmt::format("\\x{:02x}", byte);
    } else {
      text += letter;
    }
  }
  return text;
}

}  // namespace sdlora::checkpoint
