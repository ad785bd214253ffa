// A TOML file as the JSON of the same content, so that files of both kinds are read by one reader.
#pragma once

#include <filesystem>

#include <nlohmann/json.hpp>

namespace sdlora {

// By its extension: ".json", else TOML. Dates become texts. Throws Error(kUsage) naming file and line for
// what is neither, Error(kIo) for a file that cannot be read.
nlohmann::json read_document(const std::filesystem::path& file);

}  // namespace sdlora
