#include "common/json_text.h"

namespace sdlora {

std::string quote_nonfinite_numbers(std::string_view text) {
  constexpr std::string_view kLiterals[] = {"-Infinity", "Infinity", "NaN"};
  std::string quoted;
  quoted.reserve(text.size());
  bool is_in_string = false;
  for (size_t i = 0; i < text.size();) {
    size_t length = 1;
    bool is_literal = false;
    if (text[i] == '"') is_in_string = !is_in_string;
    if (is_in_string && text[i] == '\\' && i + 1 < text.size()) length = 2;
    if (!is_in_string)
      for (const std::string_view literal : kLiterals)
        if (!is_literal && text.substr(i).starts_with(literal)) {
          is_literal = true;
          length = literal.size();
        }
    if (is_literal) quoted += '"';
    quoted += text.substr(i, length);
    if (is_literal) quoted += '"';
    i += length;
  }
  return quoted;
}

}  // namespace sdlora
