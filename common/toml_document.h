// A TOML file as the JSON of the same content, so that files of both kinds are read by one reader.
#pragma once

#include <filesystem>
#include <string>

#include <nlohmann/json.hpp>

namespace sdlora {

// `text`: of `file`, by its extension ".json", else TOML. Dates become texts. Throws Error(kUsage) naming
// file and line for what is neither.
nlohmann::json parse_document(const std::string& text, const std::filesystem::path& file);

}  // namespace sdlora
