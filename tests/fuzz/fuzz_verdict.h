// What a reader may do with a hostile input: read it, or throw Error with a message that a person and a log
// can take. Everything else (another exception, a signal, a sanitiser's report) ends the process: a finding.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"

namespace sdlora::fuzz {

// Ends the process when the message is not UTF-8, holds control characters, is longer than 10 kB, or blames
// us (kInternal) for what the input is.
void judge(const Error& error);

// The same for a message that is shown, but not thrown.
void judge_message(std::string_view message);

// Ends the process: what is wrong, and with what.
[[noreturn]] void finding(const char* what, std::string_view detail);

template <typename Read>
void expect_orderly(Read&& read) {
  try {
    read();
  } catch (const Error& error) {
    judge(error);
  }
}

inline std::string_view text_of(const uint8_t* data, size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The part up to the next line that is "====", which is cut off `rest`: several files in one input.
std::string_view take_part(std::string_view& rest);

}  // namespace sdlora::fuzz
