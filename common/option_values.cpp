#include "common/option_values.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>

#include <fmt/format.h>

#include "common/utf8.h"

namespace sdlora {
namespace {

// Hexadecimal digits after 0x, as seeds are written, else decimal ones.
template <typename T>
bool read_integer(const std::string& text, T& value) {
  const bool is_negative = text.starts_with('-');
  std::string digits = text.substr(is_negative || text.starts_with('+') ? 1 : 0);
  const bool is_hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
  if (is_hexadecimal) digits.erase(0, 2);
  if (digits.empty() || digits.front() == '-') return false;
  if (is_negative) digits.insert(0, "-");
  T read{};
  const char* end = digits.data() + digits.size();
  const auto [stop, failure] = std::from_chars(digits.data(), end, read, is_hexadecimal ? 16 : 10);
  if (failure != std::errc{} || stop != end) return false;
  value = read;
  return true;
}

std::string digits_of(double value, std::chars_format format) {
  std::array<char, 400> text{};  // the longest: 5e-324 without an exponent
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value, format).ptr;
  return {text.data(), end};
}

// "1e-05" → "1e-5"
std::string without_padding(std::string scientific) {
  const size_t sign = scientific.find('e') + 1;
  while (sign + 1 < scientific.size() - 1 && scientific[sign + 1] == '0') scientific.erase(sign + 1, 1);
  if (scientific[sign] == '+') scientific.erase(sign, 1);
  return scientific;
}

}  // namespace

bool read_value(const std::string& text, bool& value) {
  for (const char* word : {"true", "yes", "on", "1"})
    if (text == word) return value = true;
  for (const char* word : {"false", "no", "off", "0"})
    if (text == word) return !(value = false);
  return false;
}

bool read_value(const std::string& text, int& value) {
  return read_integer(text, value);
}

bool read_value(const std::string& text, int64_t& value) {
  return read_integer(text, value);
}

bool read_value(const std::string& text, uint64_t& value) {
  return read_integer(text, value);
}

bool read_value(const std::string& text, double& value) {
  const char* begin = text.data() + (text.starts_with('+') && !text.starts_with("+-") ? 1 : 0);
  const char* end = text.data() + text.size();
  double read = 0;
  const auto [stop, failure] = std::from_chars(begin, end, read);
  if (failure != std::errc{} || stop != end || !std::isfinite(read)) return false;
  value = read;
  return true;
}

bool read_value(const std::string& text, std::string& value) {
  value = text;
  return true;
}

// A shell does this for its own words, but not for those of a config file or in --output=~/run.
bool read_value(const std::string& text, std::filesystem::path& value) {
  const char* home = std::getenv("HOME");
  const bool is_in_home = text == "~" || text.starts_with("~/");
  value = is_in_home && home != nullptr ? home + text.substr(1) : text;
  return true;
}

bool read_value(const std::string& text, std::optional<std::string>& value) {
  value = text;
  return true;
}

bool read_value(const std::string& text, std::vector<std::string>& value) {
  value.push_back(text);
  return true;
}

std::string text_of(bool value) {
  return value ? "true" : "false";
}

std::string text_of(int value) {
  return std::to_string(value);
}

std::string text_of(int64_t value) {
  return std::to_string(value);
}

std::string text_of(uint64_t value) {
  return std::to_string(value);
}

std::string text_of(const std::string& value) {
  return value;
}

std::string text_of(const std::filesystem::path& value) {
  return value.string();
}

std::string text_of(const std::optional<std::string>& value) {
  return value.value_or("");
}

std::string text_of(double value) {
  if (value == 0) return "0";  // -0 is the same setting
  const std::string fixed = digits_of(value, std::chars_format::fixed);
  const std::string scientific = without_padding(digits_of(value, std::chars_format::scientific));
  const bool is_usual = std::abs(value) >= 1 && std::abs(value) < 1e6;  // 1000, not 1e3
  return is_usual || fixed.size() <= scientific.size() ? fixed : scientific;
}

std::string text_of(const std::vector<std::string>& value) {
  std::string text;
  for (const std::string& item : value)
    text += (text.empty() ? "" : ", ") + toml_string(item).value_or("\"(not UTF-8)\"");
  return "[" + text + "]";
}

ValueKind kind_of(const bool&) {
  return ValueKind::kFlag;
}

ValueKind kind_of(const int&) {
  return ValueKind::kInteger;
}

ValueKind kind_of(const int64_t&) {
  return ValueKind::kInteger;
}

ValueKind kind_of(const uint64_t&) {
  return ValueKind::kInteger;
}

ValueKind kind_of(const double&) {
  return ValueKind::kNumber;
}

ValueKind kind_of(const std::string&) {
  return ValueKind::kText;
}

ValueKind kind_of(const std::filesystem::path&) {
  return ValueKind::kText;
}

ValueKind kind_of(const std::optional<std::string>&) {
  return ValueKind::kText;
}

ValueKind kind_of(const std::vector<std::string>&) {
  return ValueKind::kTexts;
}

std::string canonical_text(ValueKind kind, const std::string& text) {
  int64_t integer = 0;
  uint64_t large = 0;
  double number = 0;
  if (kind == ValueKind::kInteger && read_value(text, integer)) return text_of(integer);
  if (kind == ValueKind::kInteger && read_value(text, large)) return text_of(large);
  if (kind == ValueKind::kNumber && read_value(text, number)) return text_of(number);
  return text;
}

std::optional<std::string> toml_string(const std::string& text) {
  std::string quoted = "\"";
  for (size_t at = 0, length = 0; at < text.size(); at += length) {
    length = utf8_character_bytes(std::string_view(text).substr(at));
    if (length == 0) return std::nullopt;
    const char letter = text[at];
    if (letter == '"' || letter == '\\')
      quoted += {'\\', letter};
    else if (length == 1 && (static_cast<unsigned char>(letter) < 0x20 || letter == 0x7F))
      quoted += fmt::format("\\u{:04X}", static_cast<unsigned>(letter));
    else
      quoted += text.substr(at, length);
  }
  return quoted + "\"";
}

}  // namespace sdlora
