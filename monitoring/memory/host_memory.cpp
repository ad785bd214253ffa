#include "monitoring/memory/host_memory.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

#include "common/control_groups.h"

namespace sdlora::monitoring {
namespace {

namespace fs = std::filesystem;

// How the two versions of control groups name the same things.
struct GroupFiles {
  const char* limit;
  const char* usage;
  const char* droppable;  // in memory.stat: file pages that nobody has used lately
};

constexpr GroupFiles kFilesOfVersion1{"memory.limit_in_bytes", "memory.usage_in_bytes",
                                      "total_inactive_file"};
constexpr GroupFiles kFilesOfVersion2{"memory.max", "memory.current", "inactive_file"};

// -1 where there is no such number; "max" is none.
int64_t number_in(const fs::path& file) {
  std::ifstream stream(file);
  int64_t value = 0;
  return stream >> value ? value : -1;
}

// The number after `name` in a file of lines "name 123" or "name: 123 kB"; -1 where there is none.
int64_t number_after(const std::string& name, const fs::path& file) {
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    std::istringstream words(line);
    std::string first;
    int64_t value = 0;
    if (words >> first >> value && first == name) return value;
  }
  return -1;
}

void narrow_to(HostMemory& memory, const GroupFiles& files, const fs::path& group) {
  const int64_t limit = number_in(group / files.limit), usage = number_in(group / files.usage);
  // Version 1 says "no limit" by a number near 2^63.
  if (limit < 0 || usage < 0 || limit > (int64_t{1} << 60)) return;
  const int64_t droppable = std::max<int64_t>(0, number_after(files.droppable, group / "memory.stat"));
  const int64_t left = std::max<int64_t>(0, limit - usage + droppable);
  memory.available_bytes = std::min(memory.available_bytes, left);
  if (memory.limit_bytes == 0 || limit < memory.limit_bytes) memory.limit_bytes = limit;
}

}  // namespace

HostMemory host_memory(const fs::path& root) {
  const auto of_host = [&](const char* name) {
    return std::max<int64_t>(0, number_after(name, root / "proc/meminfo")) * 1024;
  };
  HostMemory memory{.limit_bytes = of_host("MemTotal:"), .available_bytes = of_host("MemAvailable:")};

  for (const ControlGroup& group : control_groups("memory", root))
    narrow_to(memory, group.version == 2 ? kFilesOfVersion2 : kFilesOfVersion1, group.directory);
  return memory;
}

}  // namespace sdlora::monitoring
