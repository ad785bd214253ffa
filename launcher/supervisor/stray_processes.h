// Processes of a dead attempt that are still alive on this host.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace sdlora::launcher {

// The live processes whose environment holds `mark`, a whole NAME=value, besides this one; zombies are none.
std::vector<pid_t> processes_marked(const std::string& mark);

// Kills them and waits until they are gone, at most some seconds. Returns how many there were.
int kill_marked(const std::string& mark);

}  // namespace sdlora::launcher
