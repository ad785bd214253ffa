#include "common/options.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"

namespace sdlora {
namespace {

std::string program_of(const CLI::App& app) {
  return app.get_parent() ? program_of(*app.get_parent()) + " " + app.get_name() : app.get_name();
}

std::string what_it_takes(const DeclaredOption& declared) {
  std::vector<std::string> parts;
  if (!declared.words.empty())
    parts.push_back(fmt::format("{}", fmt::join(declared.words, ", ")));
  else if (declared.setting.kind == ValueKind::kInteger)
    parts.emplace_back(declared.setting.may_be_auto ? "auto or a whole number" : "a whole number");
  else if (declared.setting.kind == ValueKind::kNumber)
    parts.emplace_back("a finite number");
  else if (declared.setting.kind == ValueKind::kFlag)
    parts.emplace_back("true or false");
  for (const DeclaredOption::Limit& limit : declared.limits) parts.push_back(limit.words);
  if (declared.limits.empty() && !declared.range.empty()) parts.push_back(declared.range);
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

void DeclaredOption::take(const std::vector<std::string>& texts, const std::string& program) const {
  const auto refuse = [&](const std::string& text) {
    throw Error(ExitCode::kUsage, {.what = fmt::format("--{} does not take this value", setting.name),
                                   .expected = what_it_takes(*this),
                                   .seen = text.empty() ? "nothing" : text,
                                   .advice = "see " + program + " --help"});
  };
  if (clear) clear();
  for (const std::string& text : texts) {
    if (!clear && &text != &texts.back()) continue;  // the last one wins
    if (!read(text)) refuse(text);
    for (const Limit& limit : limits)
      if (!limit.holds()) refuse(text);
  }
}

void DeclaredOption::show_in_help() {
  if (!write) return;  // an enum, before it has words
  setting.default_text = write();
  flag->required(setting.is_required);
  if (setting.kind == ValueKind::kFlag) return;
  std::string label = type;
  if (!words.empty()) label += fmt::format(":{{{}}}", fmt::join(words, ","));
  for (const Limit& limit : limits) label += ":" + limit.words;
  const bool has_default = setting.kind != ValueKind::kTexts || setting.default_text != "[]";
  flag->type_name(label);
  flag->default_str(!setting.default_shown.empty() ? setting.default_shown
                    : has_default                  ? setting.default_text
                                                   : "");
}

OptionSet::OptionSet(CLI::App& app) : app_(app), declared_(std::make_shared<Declarations>()) {
  app.add_flag_callback(
         "--help-markdown",
         [declared = declared_, &app] {
           std::vector<Setting> settings;
           for (const auto& one : *declared) settings.push_back(one->setting);
           // Prints its text and leaves with success, which is what is wanted.
           throw CLI::CallForVersion(Settings(std::move(settings)).to_markdown(program_of(app)), 0);
         },
         "Print the options as Markdown and exit")
      ->configurable(false);
}

DeclaredOption& OptionGroup::declare(DeclaredOption one) {
  OptionSet::Declarations& all = *set_.declared_;
  DeclaredOption& declared = *all.emplace_back(std::make_unique<DeclaredOption>(std::move(one)));
  // The raw words: CLI11 reads a "{}" among those it hands to the callback as an empty list.
  const auto take = [&declared, kept = set_.declared_, &app = set_.app_](const CLI::results_t&) {
    declared.take(declared.flag->results(), program_of(app));
    if (declared.replaces_required)
      for (const auto& other : *kept) other->flag->required(false);
    return true;
  };
  declared.flag = set_.app_.add_option("--" + declared.setting.name, take, declared.setting.help);
  declared.flag->group(heading_);
  declared.flag->expected(declared.setting.kind == ValueKind::kFlag ? 0 : 1);
  declared.flag->multi_option_policy(declared.setting.kind == ValueKind::kTexts
                                         ? CLI::MultiOptionPolicy::TakeAll
                                         : CLI::MultiOptionPolicy::TakeLast);
  declared.show_in_help();
  return declared;
}

Settings OptionSet::settings() const {
  std::vector<Setting> settings;
  for (const auto& declared : *declared_) {
    settings.push_back(declared->setting);
    settings.back().text = declared->write();
  }
  return Settings(std::move(settings));
}

}  // namespace sdlora
