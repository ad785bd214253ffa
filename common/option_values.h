// From an option's text to its value and back. A value has one text: 1e-5, 0.00001 and 1e-05 are "1e-5".
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sdlora {

enum class ValueKind {
  kFlag,     // true, false; also yes, no, on, off, 1, 0
  kInteger,  // decimal, or 0x and hexadecimal digits
  kNumber,   // finite
  kText,
  kTexts,  // may be given several times
};

// False, and `value` as it was: malformed, out of the type's range, or not finite.
bool read_value(const std::string& text, bool& value);
bool read_value(const std::string& text, int& value);
bool read_value(const std::string& text, int64_t& value);
bool read_value(const std::string& text, uint64_t& value);
bool read_value(const std::string& text, double& value);
bool read_value(const std::string& text, std::string& value);
bool read_value(const std::string& text, std::filesystem::path& value);  // "~" is the home directory
bool read_value(const std::string& text, std::optional<std::string>& value);
bool read_value(const std::string& text, std::vector<std::string>& value);  // appends

std::string text_of(bool value);
std::string text_of(int value);
std::string text_of(int64_t value);
std::string text_of(uint64_t value);
std::string text_of(double value);  // the shortest that reads back: 0.01, 1e-5, 7.5
std::string text_of(const std::string& value);
std::string text_of(const std::filesystem::path& value);
std::string text_of(const std::optional<std::string>& value);  // empty for none
std::string text_of(const std::vector<std::string>& value);    // as a TOML array

ValueKind kind_of(const bool&);
ValueKind kind_of(const int&);
ValueKind kind_of(const int64_t&);
ValueKind kind_of(const uint64_t&);
ValueKind kind_of(const double&);
ValueKind kind_of(const std::string&);
ValueKind kind_of(const std::filesystem::path&);
ValueKind kind_of(const std::optional<std::string>&);
ValueKind kind_of(const std::vector<std::string>&);

// The one text of the value that `text` stands for; `text` itself where it is none of that kind ("auto").
std::string canonical_text(ValueKind kind, const std::string& text);

// A TOML basic string: quoted, with escapes. Empty when `text` is not UTF-8, which TOML cannot hold.
std::optional<std::string> toml_string(const std::string& text);

}  // namespace sdlora
