// SHA-256 (OpenSSL), as lower-case hex.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace sdlora::checkpoint {

std::string sha256_of(std::string_view bytes);

// Whether `text` is written as one.
bool is_sha256(std::string_view text);

// `between_pieces` is called after each MiB, and may throw. Throws Error(kIo) naming the file.
std::string sha256_of_file(const std::filesystem::path& file,
                           const std::function<void()>& between_pieces = nullptr);

}  // namespace sdlora::checkpoint
