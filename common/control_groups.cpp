#include "common/control_groups.h"

#include <fstream>

namespace sdlora {
namespace {

namespace fs = std::filesystem;

bool names(const std::string& controllers, const std::string& controller) {
  return ("," + controllers + ",").find("," + controller + ",") != std::string::npos;
}

// Version 1 mounts controllers together, "cpu,cpuacct", most often with a link for each.
fs::path mount_of(const fs::path& root, const std::string& controllers, const std::string& controller) {
  const fs::path mounts = root / "sys/fs/cgroup";
  return fs::exists(mounts / controllers) ? mounts / controllers : mounts / controller;
}

}  // namespace

std::vector<ControlGroup> control_groups(const std::string& controller, const fs::path& root) {
  std::vector<ControlGroup> groups;
  std::ifstream lines(root / "proc/self/cgroup");
  for (std::string line; std::getline(lines, line);) {  // "0::/slurm/job_7" or "4:memory:/docker/1f"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (!controllers.empty() && !names(controllers, controller)) continue;
    const int version = controllers.empty() ? 2 : 1;
    const fs::path mount = version == 2 ? root / "sys/fs/cgroup" : mount_of(root, controllers, controller);
    for (fs::path path = fs::path(line.substr(second + 1)).relative_path(); !path.empty();
         path = path.parent_path())
      groups.push_back({mount / path, version});
    groups.push_back({mount, version});  // inside a container the group's own files are here
  }
  return groups;
}

}  // namespace sdlora
