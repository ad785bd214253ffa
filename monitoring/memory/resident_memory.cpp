#include "monitoring/memory/resident_memory.h"

#include <fstream>
#include <sstream>
#include <string>

#include <fmt/format.h>

namespace sdlora::monitoring {

ResidentMemory resident_memory() {
  ResidentMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {  // "VmHWM:     1234 kB"
    std::istringstream words(line);
    std::string name;
    int64_t kibibytes = 0;
    words >> name >> kibibytes;
    if (name == "VmHWM:") memory.peak_bytes = kibibytes * 1024;
    if (name == "RssAnon:") memory.private_bytes = kibibytes * 1024;
    if (name == "RssFile:") memory.mapped_bytes = kibibytes * 1024;
  }
  return memory;
}

std::string in_words(const ResidentMemory& memory) {
  constexpr double kGibibyte = 1024.0 * 1024.0 * 1024.0;
  return fmt::format("{:.2f} GiB peak ({:.2f} GiB private, {:.2f} GiB mapped files at the end)",
                     static_cast<double>(memory.peak_bytes) / kGibibyte,
                     static_cast<double>(memory.private_bytes) / kGibibyte,
                     static_cast<double>(memory.mapped_bytes) / kGibibyte);
}

}  // namespace sdlora::monitoring
