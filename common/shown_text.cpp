#include "common/shown_text.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

namespace sdlora {
namespace {

// The bytes of the character that `text` begins with, as RFC 3629 has it; 0 for none: cut off, overlong, a
// surrogate, beyond U+10FFFF.
size_t character_bytes(std::string_view text) {
  const auto byte = [&](size_t at) { return at < text.size() ? static_cast<uint8_t>(text[at]) : 0; };
  const int first = byte(0), second = byte(1);
  if (first < 0x80) return 1;
  const size_t bytes = first >= 0xC2 && first < 0xE0   ? 2
                       : first >= 0xE0 && first < 0xF0 ? 3
                       : first >= 0xF0 && first < 0xF5 ? 4
                                                       : 0;
  const int lowest_second = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const int highest_second = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (bytes == 0 || second < lowest_second || second > highest_second) return 0;
  for (size_t at = 2; at < bytes; ++at)
    if ((byte(at) & 0xC0) != 0x80) return 0;
  return bytes;
}

bool is_control(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  const bool is_c1 =
      first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;  // U+009B is a terminal's, too
  return (first < ' ' && first != '\t') || first == 0x7F || is_c1;
}

std::string shown(std::string_view text, size_t most_bytes, bool keeps_lines) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = character_bytes(text.substr(at));
    const std::string_view character = text.substr(at, std::max<size_t>(bytes, 1));
    std::string piece(character);
    if (bytes == 0 || (is_control(character) && !(keeps_lines && piece == "\n"))) {
      piece.clear();
      for (const char byte : character) piece += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    }
    if (result.size() + piece.size() > most_bytes)
      return result + fmt::format("… ({} bytes more)", text.size() - at);
    result += piece;
    at += character.size();
  }
  return result;
}

}  // namespace

std::string shown_line(std::string_view text, size_t most_bytes) {
  return shown(text, most_bytes, false);
}

std::string shown_lines(std::string_view text, size_t most_bytes) {
  return shown(text, most_bytes, true);
}

}  // namespace sdlora
