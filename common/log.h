// Line log: time, level, rank. Rank 0 writes to the terminal (standard error) and to its file, other ranks to
// the file only, except warnings and errors. The header shows neither torch nor spdlog: their fmt versions
// exclude each other.
#pragma once

#include <filesystem>
#include <string_view>

namespace sdlora::log {

// Call once a process, before the first line. Until then lines go to standard error as rank 0.
void start(int rank, int rank_count);

// Whether this process is rank 0, which alone talks to the terminal.
bool is_rank_zero();

// Appends from now on to `file` as well (created; the folder must exist). Throws Error(kIo).
void add_file(const std::filesystem::path& file);

void info(std::string_view text);
void warning(std::string_view text);
void error(std::string_view text);

}  // namespace sdlora::log
