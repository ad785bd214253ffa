// Line log: time, level, rank. Rank 0 writes to the terminal (standard error) and to its file, other ranks to
// the file only, except warnings and errors. A line is in the files first. A terminal that takes nothing
// holds nobody up: its lines wait, and are dropped and counted when there are too many (output_queue.h). The
// header shows neither torch nor spdlog: their fmt versions exclude each other.
#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

namespace sdlora::log {

enum class Format {
  kText,  // 12:00:00 I [rank 1] text
  kJson,  // {"time":"2026-01-31T12:00:00.000Z","level":"info","rank":1,"message":"text"}
};

// Call once per process, before the first line. Until then lines go to standard error as rank 0.
void start(int rank, int rank_count);

// Whether this process is rank 0, which alone talks to the terminal.
bool is_rank_zero();

// Of all lines from now on, and of files that are added after it.
void set_format(Format format);
Format format();

// Appends from now on to `file` as well (created; the folder must exist). Throws Error(kIo).
void add_file(const std::filesystem::path& file);

// `around` is called for each terminal line. It must call `write` exactly once, and must not log. A progress
// bar uses it to clear itself first. Empty: no more.
void surround_terminal_lines(std::function<void(const std::function<void()>& write)> around);

// Puts `text`, which is no line of ours, on the terminal after what waits there: what a program that we
// started has written, or what a progress bar cannot do without.
void pass_on_to_terminal(std::string_view text);

// The same for standard output, which has a queue of its own.
void pass_on_to_standard_output(std::string_view text);

// As pass_on_to_terminal() for what the next one replaces: left out while the terminal is behind.
void draw_on_terminal(std::string_view text);

void info(std::string_view text);
void warning(std::string_view text);

// Usually the last line: waits up to two seconds for a terminal that is behind.
void error(std::string_view text);

// Information that the terminal has in another way.
void info_to_files(std::string_view text);

}  // namespace sdlora::log
