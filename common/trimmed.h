// A text without white space (ASCII's) at its ends.
#pragma once

#include <string>

namespace sdlora {

inline std::string trimmed(std::string text) {
  constexpr const char* kWhiteSpace = " \t\r\n\v\f";
  text.erase(0, text.find_first_not_of(kWhiteSpace));
  text.erase(text.find_last_not_of(kWhiteSpace) + 1);
  return text;
}

}  // namespace sdlora
