// Flags and TOML config from one declaration (CLI11), with our exit code and a suggestion for a misspelt
// name.
#pragma once

#include <CLI/CLI.hpp>

namespace sdlora {

// What parsing decided: run on, or leave now with success (--help, --version were printed).
enum class ParseResult { kRun, kLeave };

// Adds --version and, with `with_config`, --config FILE.toml whose keys are the options' long names; flags
// win. Throws Error(kUsage): unknown option or key (with the nearest known name), missing or malformed value.
ParseResult parse_command_line(CLI::App& app, int argc, const char* const* argv, bool with_config = true);

// The candidate nearest to `word` by edit distance, empty when none is near.
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace sdlora
