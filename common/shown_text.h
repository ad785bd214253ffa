// Text that came from outside, fit to be shown: what a file or a person wrote must not cut a message off,
// fill the log or steer the terminal.
#pragma once

#include <string>
#include <string_view>

namespace sdlora {

// Well-formed UTF-8 whatever `text` is: control characters but a tab, and bytes that are not UTF-8, as \x07.
// Of more than `most_bytes` the beginning, then "… (7343 bytes more)".
std::string shown_line(std::string_view text, size_t most_bytes);

// The same, with its lines.
std::string shown_lines(std::string_view text, size_t most_bytes);

}  // namespace sdlora
