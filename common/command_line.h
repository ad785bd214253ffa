// Parses what options.h declared, with our exit code and a suggestion for a misspelt name.
#pragma once

#include <CLI/CLI.hpp>

#include "common/options.h"

namespace sdlora {

// Adds --version and, with `with_config`, --config FILE.toml whose keys are the options' long names; flags
// win. Throws Error(kUsage): unknown option or key (with the nearest known name), missing or malformed value.
ParseResult parse_command_line(CLI::App& app, int argc, const char* const* argv, bool with_config = true);

// The candidate nearest to `word` by edit distance, empty when none is near.
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace sdlora
