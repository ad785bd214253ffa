#include "common/utf8.h"

#include <cstdint>

#include <nlohmann/json.hpp>

namespace sdlora {

size_t utf8_character_bytes(std::string_view text) {
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

std::string without_byte_order_mark(const std::string& text) {
  return text.substr(text.starts_with("\xEF\xBB\xBF") ? 3 : 0);
}

std::string valid_utf8(const std::string& text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

}  // namespace sdlora
