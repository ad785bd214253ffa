// The control groups that this process is in (of a container, a Slurm job, a service), whose limits hold for
// it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora {

struct ControlGroup {
  std::filesystem::path directory;  // with the group's files
  int version;                      // 1 or 2: they name the same things differently
};

// Those of `controller` ("memory", "cpu"), each before the one it is in. A container may show its own group
// as the outermost. `root`: where /proc and /sys are.
std::vector<ControlGroup> control_groups(const std::string& controller,
                                         const std::filesystem::path& root = "/");

}  // namespace sdlora
