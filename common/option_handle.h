// What an option takes, said where it is declared (options.h).
#pragma once

#include <functional>
#include <string>
#include <type_traits>
#include <vector>

#include "common/settings.h"
#include "common/words.h"

namespace CLI {
class Option;
}

namespace sdlora {

// What stands behind an OptionHandle.
struct DeclaredOption {
  struct Limit {
    std::string words;  // "0 or more"
    std::function<bool()> holds;
  };

  Setting setting;
  std::string type;                              // as --help calls it: INT, FLOAT …
  std::string range;                             // what the variable can hold, of whole numbers
  std::function<bool(const std::string&)> read;  // into the variable; false: malformed
  std::function<void()> clear;                   // before reading: what a list had by default
  std::function<std::string()> write;
  std::vector<Limit> limits;
  std::vector<std::string> words;  // that it takes; empty: any
  bool replaces_required = false;  // where it is given, no other option is required
  CLI::Option* flag = nullptr;

  // Throws Error(kUsage) naming the option, what it takes and the text.
  void take(const std::vector<std::string>& texts, const std::string& program) const;

  void show_in_help();
};

template <typename T>
class OptionHandle {
 public:
  OptionHandle(DeclaredOption& declared, T& variable) : declared_(declared), variable_(variable) {}

  OptionHandle& at_least(T least) {
    return limit(text_of(least) + " or more", [&value = variable_, least] { return value >= least; });
  }

  OptionHandle& above(T bound) {
    return limit("above " + text_of(bound), [&value = variable_, bound] { return value > bound; });
  }

  OptionHandle& between(T least, T most) {
    return limit(text_of(least) + " to " + text_of(most),
                 [&value = variable_, least, most] { return value >= least && value <= most; });
  }

  // A count: 1 or more, and not so many that sums of it overflow.
  OptionHandle& positive() {
    static_assert(std::is_integral_v<T>);
    return limit("positive",
                 [&value = variable_] { return value >= 1 && int64_t{value} <= int64_t{1} << 40; });
  }

  OptionHandle& one_of(const Words<T>& words) {
    declared_.words.clear();
    for (const auto& [word, meaning] : words) declared_.words.push_back(word);
    declared_.read = [&value = variable_, words](const std::string& text) {
      const std::optional<T> meaning = value_of(text, words);
      if (meaning) value = *meaning;
      return meaning.has_value();
    };
    declared_.write = [&value = variable_, words] { return word_of(value, words); };
    return shown();
  }

  // 0 is written "auto", and its value is decided after parsing (Settings::resolve).
  OptionHandle& auto_is_zero() {
    static_assert(std::is_integral_v<T>);
    declared_.setting.may_be_auto = true;
    declared_.read = [&value = variable_](const std::string& text) {
      return read_value(text == "auto" ? "0" : text, value);
    };
    declared_.write = [&value = variable_] { return value == 0 ? "auto" : text_of(value); };
    return shown();
  }

  OptionHandle& existing_file() {
    return limit("a file", [&value = variable_] { return std::filesystem::is_regular_file(value); });
  }

  OptionHandle& existing_directory() {
    return limit("a directory", [&value = variable_] { return std::filesystem::is_directory(value); });
  }

  OptionHandle& meets(const std::string& words, std::function<bool(const T&)> holds) {
    return limit(words, [&value = variable_, holds = std::move(holds)] { return holds(value); });
  }

  // More words for what it takes, of which reading it takes care.
  OptionHandle& worded(const std::string& words) {
    return limit(words, [] { return true; });
  }

  OptionHandle& required() {
    declared_.setting.is_required = true;
    return shown();
  }

  OptionHandle& replaces_required() {
    declared_.replaces_required = true;
    return *this;
  }

  // What to say in place of the default's text.
  OptionHandle& default_shown(const std::string& words) {
    declared_.setting.default_shown = words;
    return shown();
  }

 private:
  OptionHandle& limit(std::string words, std::function<bool()> holds) {
    declared_.limits.push_back({std::move(words), std::move(holds)});
    return shown();
  }

  OptionHandle& shown() {
    declared_.show_in_help();
    return *this;
  }

  DeclaredOption& declared_;
  T& variable_;
};

}  // namespace sdlora
