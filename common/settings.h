// What the options of a program were set to: plain data, for files, for comparing ranks and runs, and for
// the documentation.
#pragma once

#include <initializer_list>
#include <map>
#include <string>
#include <vector>

#include "common/option_values.h"

namespace sdlora {

enum class Scope {
  kResult,  // decides the bytes of the result: the same on all ranks, and in a run that goes on
  kRun,     // the same on all ranks, but decides no byte
  kRank,    // a rank's own: places, whose contents are compared, and what concerns one process alone
};

// result, run, rank
std::string name_of(Scope scope);

struct Setting {
  std::string name;  // of the option, without dashes
  std::string group;
  std::string help;
  Scope scope = Scope::kRun;
  ValueKind kind = ValueKind::kText;
  std::string text;           // of the value, as text_of() has it
  std::string default_text;   // likewise
  std::string default_shown;  // in words, where that says more
  bool is_required = false;
  bool may_be_auto = false;  // "auto" is decided after parsing (Settings::resolve)
};

class Settings {
 public:
  Settings() = default;

  explicit Settings(std::vector<Setting> all) : all_(std::move(all)) {}

  const std::vector<Setting>& all() const { return all_; }  // in the order of --help

  // By name, those of these scopes.
  std::map<std::string, std::string> texts(std::initializer_list<Scope> scopes) const;
  std::map<std::string, std::string> defaults() const;

  // The one text of what `text` means for the option `name`; `text` itself where there is no such option.
  std::string canonical(const std::string& name, const std::string& text) const;

  // Corrects the text of a setting whose "auto" has been decided.
  void resolve(const std::string& name, const std::string& value);

  // A TOML file that --config reads back to the same values: flat keys, the groups as comments. A text that
  // is not UTF-8 cannot stand in TOML; its line is a comment that says so.
  std::string to_toml(const std::string& title) const;

  // A section of docs/options.md: a table per group.
  std::string to_markdown(const std::string& program) const;

 private:
  std::vector<Setting> all_;
};

}  // namespace sdlora
