// Text of a file for an error message: a hostile name must not cut the message off, fill the log or steer the
// terminal.
#pragma once

#include <string>
#include <string_view>

namespace sdlora::checkpoint {

// shown_line() of at most 100 bytes.
std::string printable(std::string_view text_of_a_file);

}  // namespace sdlora::checkpoint
