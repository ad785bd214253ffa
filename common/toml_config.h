// Reads the file of --config for CLI11: TOML with flat keys, the options' long names.
#pragma once

#include <memory>

#include <CLI/CLI.hpp>

namespace sdlora {

// `app` must outlive it. Reading throws Error(kUsage) naming the file and the line: not TOML, a table, or a
// list where an option takes one value.
std::shared_ptr<CLI::Config> make_toml_config(const CLI::App& app);

}  // namespace sdlora
