// The words that options and files use for the values of an enum.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sdlora {

template <typename T>
using Words = std::vector<std::pair<std::string, T>>;  // in the order of --help

// `value` must be among them.
template <typename T>
std::string word_of(T value, const Words<T>& words) {
  for (const auto& [word, meaning] : words)
    if (meaning == value) return word;
  return {};
}

template <typename T>
std::optional<T> value_of(const std::string& word, const Words<T>& words) {
  for (const auto& [known, meaning] : words)
    if (known == word) return meaning;
  return std::nullopt;
}

}  // namespace sdlora
