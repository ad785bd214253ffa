// UTF-8, as RFC 3629 has it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sdlora {

// The bytes of the character that `text` begins with; 0 for none: cut off, overlong, a surrogate, beyond
// U+10FFFF. Of an empty text 1, as if a NUL stood there.
size_t utf8_character_bytes(std::string_view text);

std::string without_byte_order_mark(const std::string& text);

// `text` with what is not UTF-8 replaced by U+FFFD.
std::string valid_utf8(const std::string& text);

}  // namespace sdlora
