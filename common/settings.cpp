#include "common/settings.h"

#include <algorithm>

#include <fmt/format.h>

namespace sdlora {
namespace {

// As a TOML value of the option's own type.
std::optional<std::string> toml_value(const Setting& setting) {
  int64_t integer = 0;
  switch (setting.kind) {
    case ValueKind::kFlag:
    case ValueKind::kTexts:
      return setting.text;
    case ValueKind::kInteger:  // quoted: "auto", and what 64 bits with a sign do not hold
      return read_value(setting.text, integer) ? setting.text : toml_string(setting.text);
    case ValueKind::kNumber:  // a TOML float has a point or an exponent
      return setting.text.find_first_of(".e") == std::string::npos ? setting.text + ".0" : setting.text;
    case ValueKind::kText:
      return toml_string(setting.text);
  }
  return std::nullopt;
}

std::string markdown_default(const Setting& setting) {
  if (setting.is_required) return "required";
  if (!setting.default_shown.empty()) return setting.default_shown;
  if (setting.kind == ValueKind::kFlag) return setting.default_text == "true" ? "on" : "off";
  if (setting.default_text.empty() || setting.default_text == "[]") return "none";
  return "`" + setting.default_text + "`";
}

// In a table cell.
std::string escaped(const std::string& text) {
  std::string safe;
  for (const char letter : text) {
    if (letter == '|' || letter == '<' || letter == '*') safe += '\\';
    safe += letter;
  }
  return safe;
}

}  // namespace

std::string name_of(Scope scope) {
  return scope == Scope::kResult ? "result" : scope == Scope::kRun ? "run" : "rank";
}

std::map<std::string, std::string> Settings::texts(std::initializer_list<Scope> scopes) const {
  std::map<std::string, std::string> texts;
  for (const Setting& setting : all_)
    if (std::find(scopes.begin(), scopes.end(), setting.scope) != scopes.end())
      texts[setting.name] = setting.text;
  return texts;
}

std::map<std::string, std::string> Settings::defaults() const {
  std::map<std::string, std::string> texts;
  for (const Setting& setting : all_) texts[setting.name] = setting.default_text;
  return texts;
}

std::string Settings::canonical(const std::string& name, const std::string& text) const {
  for (const Setting& setting : all_)
    if (setting.name == name) return canonical_text(setting.kind, text);
  return text;
}

void Settings::resolve(const std::string& name, const std::string& value) {
  for (Setting& setting : all_) {
    if (setting.name != name) continue;
    if (setting.default_text == setting.text) setting.default_text = value;  // it was left to us
    setting.text = value;
  }
}

std::string Settings::to_toml(const std::string& title) const {
  std::string toml = "# " + title + "\n", group;
  for (const Setting& setting : all_) {
    if (setting.text.empty() && setting.default_text.empty()) continue;
    if (setting.group != group) toml += fmt::format("\n# {}\n", setting.group);
    group = setting.group;
    const std::optional<std::string> value = toml_value(setting);
    toml += value ? fmt::format("{} = {}\n", setting.name, *value)
                  : fmt::format("# {} is not UTF-8, which a TOML file cannot hold\n", setting.name);
  }
  return toml;
}

std::string Settings::to_markdown(const std::string& program) const {
  std::string page = fmt::format("## {}\n", program), group;
  for (const Setting& setting : all_) {
    if (setting.group != group)
      page += fmt::format("\n### {}\n\n| option | default | decides | meaning |\n|---|---|---|---|\n",
                          setting.group);
    group = setting.group;
    page += fmt::format("| `--{}` | {} | {} | {} |\n", setting.name, markdown_default(setting),
                        name_of(setting.scope), escaped(setting.help));
  }
  return page;
}

}  // namespace sdlora
