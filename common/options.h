// An option is declared once: its name, its variable, what it decides, its help. From that come the flag, the
// key of --config, the checks, --help, config.toml, what runs are compared by, and docs/options.md.
//
//   OptionSet options(app);
//   OptionGroup group = options.group("Optimiser");
//   group.add("learning-rate", learning_rate, Scope::kResult, "peak").at_least(0);
//   group.add("reduction", reduction, Scope::kResult, "…").one_of({{"exact", Reduction::kExact}, …});
//
// An option that is given twice has the last value, unless it is a list; flags win over --config.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/option_handle.h"

namespace CLI {
class App;
}

namespace sdlora {

// What parsing decided: run on, or leave now with success (--help, --version … were printed).
enum class ParseResult { kRun, kLeave };

class OptionSet;

class OptionGroup {
 public:
  OptionGroup(OptionSet& set, std::string heading) : set_(set), heading_(std::move(heading)) {}

  // `variable` holds the default and must outlive the parsing. An enum needs one_of().
  template <typename T>
  OptionHandle<T> add(const std::string& name, T& variable, Scope scope, const std::string& help) {
    DeclaredOption declared{.setting = {.name = name, .group = heading_, .help = help, .scope = scope},
                            .type = type_word<T>()};
    if constexpr (!std::is_enum_v<T>) {
      declared.setting.kind = kind_of(variable);
      declared.read = [&variable](const std::string& text) { return read_value(text, variable); };
      declared.write = [&variable] { return text_of(variable); };
    }
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
      declared.range =
          text_of(std::numeric_limits<T>::min()) + " to " + text_of(std::numeric_limits<T>::max());
    if constexpr (std::is_same_v<T, std::filesystem::path>)
      declared.limits.push_back({"a path in which nothing is left to replace ($NAME is for a shell)",
                                 [&variable] { return !variable.native().starts_with('$'); }});
    if constexpr (std::is_same_v<T, std::vector<std::string>>)
      declared.clear = [&variable] { variable = {}; };
    return {declare(std::move(declared)), variable};
  }

 private:
  template <typename T>
  static std::string type_word() {
    if constexpr (std::is_same_v<T, double>) return "FLOAT";
    if constexpr (std::is_same_v<T, uint64_t>) return "UINT";
    return std::is_integral_v<T> ? "INT" : "TEXT";
  }

  DeclaredOption& declare(DeclaredOption declared);

  OptionSet& set_;
  std::string heading_;
};

// The options of a program or of one of its commands.
class OptionSet {
 public:
  explicit OptionSet(CLI::App& app);  // which takes over what it needs to parse

  OptionGroup group(const std::string& heading) { return {*this, heading}; }

  // As the variables are now, so after parsing.
  Settings settings() const;

 private:
  friend class OptionGroup;
  using Declarations = std::vector<std::unique_ptr<DeclaredOption>>;

  CLI::App& app_;
  std::shared_ptr<Declarations> declared_;  // the app's callbacks hold it, too
};

}  // namespace sdlora
