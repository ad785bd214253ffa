// How much memory this process holds, as the kernel counts it (/proc/self/status).
#pragma once

#include <cstdint>
#include <string>

namespace sdlora::monitoring {

struct ResidentMemory {
  int64_t peak_bytes = 0;     // the most that was ever resident (VmHWM), mapped files included
  int64_t private_bytes = 0;  // anonymous memory now (RssAnon)
  int64_t mapped_bytes = 0;   // file pages now (RssFile): the ranks of a host share them
};

// Zeros where the kernel does not say.
ResidentMemory resident_memory();

// "2.31 GiB peak (0.41 GiB private, 1.72 GiB mapped files at the end)"
std::string in_words(const ResidentMemory& memory);

}  // namespace sdlora::monitoring
