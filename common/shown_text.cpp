#include "common/shown_text.h"

#include <algorithm>
#include <cstdint>

#include <fmt/format.h>

#include "common/utf8.h"

namespace sdlora {
namespace {

bool is_control(std::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  const bool is_c1 =
      first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;  // U+009B is a terminal's, too
  return (first < ' ' && first != '\t') || first == 0x7F || is_c1;
}

std::string shown(std::string_view text, size_t most_bytes, bool keeps_lines) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = utf8_character_bytes(text.substr(at));
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
