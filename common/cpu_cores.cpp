#include "common/cpu_cores.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <sched.h>

#include "common/control_groups.h"

namespace sdlora {
namespace {

double number_in(const std::filesystem::path& file) {
  double value = -1;
  std::ifstream(file) >> value;
  return value;
}

// In cores; 0 or less: none.
double quota_of(const ControlGroup& group) {
  if (group.version == 1)
    return number_in(group.directory / "cpu.cfs_quota_us") /
           std::max(1.0, number_in(group.directory / "cpu.cfs_period_us"));
  double quota = -1, period = 1;  // "50000 100000", or "max 100000"
  std::ifstream(group.directory / "cpu.max") >> quota >> period;
  return quota / std::max(1.0, period);
}

}  // namespace

std::vector<int> cores_of(int process) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  std::vector<int> cores;
  if (::sched_getaffinity(process, sizeof mask, &mask) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &mask)) cores.push_back(core);
  return cores;
}

std::optional<double> cpu_quota(const std::filesystem::path& root) {
  std::optional<double> least;
  for (const ControlGroup& group : control_groups("cpu", root)) {
    const double quota = quota_of(group);
    if (quota > 0) least = std::min(least.value_or(quota), quota);
  }
  return least;
}

int usable_core_count() {
  const double cores = std::max<double>(1, static_cast<double>(cores_of().size()));
  return std::max(1, static_cast<int>(std::min(cores, cpu_quota().value_or(cores))));
}

std::string describe_cores(const std::vector<int>& cores) {
  std::string text;
  for (size_t i = 0; i < cores.size();) {
    size_t end = i + 1;
    while (end < cores.size() && cores[end] == cores[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : ",", cores[i]);
    if (end > i + 1) text += fmt::format("-{}", cores[end - 1]);
    i = end;
  }
  return text;
}

}  // namespace sdlora
