// Values as Python's str() writes them, which is how sd-scripts puts them into the metadata of a file.
#pragma once

#include <concepts>
#include <string>

#include <fmt/format.h>

namespace sdlora {

inline std::string python_text(bool value) {
  return value ? "True" : "False";
}

inline std::string python_text(std::integral auto value) {
  return fmt::format("{}", value);
}

// 0.0001, 1e-05, 16.0
inline std::string python_text(double value) {
  std::string text = fmt::format("{}", value);
  return text.find_first_not_of("-0123456789") == std::string::npos ? text + ".0" : text;
}

}  // namespace sdlora
