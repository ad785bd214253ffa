// The cores that this process may use.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sdlora {

// By the affinity of process `process`; 0: this one. Empty when the kernel does not say.
std::vector<int> cores_of(int process = 0);

// How many cores' time its control groups leave it, the narrowest of them; none where there is no quota.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

// How many threads can run at a time: those cores, or fewer where a quota says so; 1 or more.
int usable_core_count();

// "0-3,8"
std::string describe_cores(const std::vector<int>& cores);

}  // namespace sdlora
