// How much memory this process may still get: the host's, or less where a control group (a container, a Slurm
// job) sets a limit.
#pragma once

#include <cstdint>
#include <filesystem>

namespace sdlora::monitoring {

struct HostMemory {
  int64_t limit_bytes = 0;      // of all processes together; 0 when the kernel does not say
  int64_t available_bytes = 0;  // without swapping: what is free, and file pages that can be dropped
};

// Looks at /proc/meminfo and at the control groups of this process, version 2 or 1, up to the outermost, the
// narrowest of which counts. `root`: where /proc and /sys are.
HostMemory host_memory(const std::filesystem::path& root = "/");

}  // namespace sdlora::monitoring
