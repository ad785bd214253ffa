// SHA-256 (OpenSSL), as lower-case hex.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace sdlora::checkpoint {

std::string sha256_of(std::string_view bytes);

// Throws Error(kIo) naming the file.
std::string sha256_of_file(const std::filesystem::path& file);

}  // namespace sdlora::checkpoint
