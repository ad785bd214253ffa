#include "common/command_line.h"

#include <algorithm>
#include <iostream>
#include <numeric>

#include "common/error.h"
#include "common/log.h"
#include "common/toml_config.h"
#include "common/version.h"

namespace sdlora {
namespace {

size_t edit_distance(const std::string& from, const std::string& to) {
  std::vector<size_t> row(to.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (size_t i = 1; i <= from.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= to.size(); ++j) {
      const size_t substitution = diagonal + (from[i - 1] == to[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, substitution});
    }
  }
  return row.back();
}

std::vector<std::string> option_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options())
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  for (const CLI::App* command : app.get_subcommands(nullptr)) names.push_back(command->get_name());
  return names;
}

// The word that CLI11 did not know, as an option: the first one left over, or a config file's key, which ends
// the sentence "INI was not able to parse KEY".
std::string unknown_word(const CLI::App& app, const std::string& sentence) {
  for (const std::string& word : app.remaining(/*recurse=*/true))
    if (word.starts_with("-")) return word.substr(0, word.find('='));
  const std::string last = sentence.substr(sentence.find_last_of(' ') + 1);
  return last.starts_with("-") ? last : "--" + last;
}

[[noreturn]] void throw_usage(const CLI::App& app, const CLI::ParseError& failure) {
  Problem problem{.what = "the command line is not understood",
                  .seen = failure.what(),
                  .advice = "see " + app.get_name() + " --help"};
  if (dynamic_cast<const CLI::ExtrasError*>(&failure) || dynamic_cast<const CLI::ConfigError*>(&failure)) {
    const std::string word = unknown_word(app, failure.what());
    const std::string nearest = nearest_name(word, option_names(app));
    problem.what = "unknown option or config key " + word;
    if (!nearest.empty()) problem.advice = "did you mean " + nearest + "? " + problem.advice;
  }
  if (dynamic_cast<const CLI::FileError*>(&failure)) problem.what = "cannot read the config file";
  throw Error(ExitCode::kUsage, problem);
}

}  // namespace

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  std::string nearest;
  size_t nearest_distance = std::max<size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : candidates) {
    const size_t distance = edit_distance(word, candidate);
    if (distance < nearest_distance) {
      nearest = candidate;
      nearest_distance = distance;
    }
  }
  return nearest;
}

ParseResult parse_command_line(CLI::App& app, int argc, const char* const* argv, bool with_config) {
  app.set_version_flag("--version", std::string("sdlora ") + kVersion);
  if (with_config) {
    app.set_config("--config", "", "TOML file with the options' names as keys; flags win over it")
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    app.config_formatter(make_toml_config(app));
    app.allow_config_extras(CLI::config_extras_mode::error);
  }
  app.get_formatter()->column_width(34);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    if (log::is_rank_zero()) app.exit(asked, std::cout, std::cerr);
    return ParseResult::kLeave;
  } catch (const CLI::ParseError& failure) {
    throw_usage(app, failure);
  }
  return ParseResult::kRun;
}

}  // namespace sdlora
