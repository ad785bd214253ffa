#include "monitoring/memory/resident_memory.h"

#include <fstream>
#include <sstream>
#include <string>

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

}  // namespace sdlora::monitoring
