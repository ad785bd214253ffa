// A file that is complete or absent: written under a temporary name beside it, flushed to disk, renamed.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace sdlora {

// Temporary names are ".NAME.tmp-PID".
inline constexpr std::string_view kTemporaryMark = ".tmp-";

// `write` gets the temporary path and must leave a whole file there. Then: fsync, rename, fsync of the
// folder. On any failure the temporary file is removed and an old `file` is still intact. Throws Error(kIo),
// also, before anything is written, when `file` is a device, a pipe or a socket (or a link to one).
void write_file_atomically(const std::filesystem::path& file,
                           const std::function<void(const std::filesystem::path& temporary)>& write);

void write_text_atomically(const std::filesystem::path& file, std::string_view text);

// The whole file. Throws Error(kIo) when it cannot be read.
std::string read_text(const std::filesystem::path& file);

}  // namespace sdlora
