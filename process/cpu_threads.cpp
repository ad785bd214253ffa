#include "process/cpu_threads.h"

#include <algorithm>
#include <array>

#include <ATen/Parallel.h>
#include <sched.h>
#include <unistd.h>

#include "common/host.h"

namespace sdlora::process {
namespace {

struct Cores {
  int count;
  std::string host_and_names;  // "node7:0,1,"
};

Cores usable_cores() {
  const std::string host = host_name();
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return {1, host};
  Cores cores{CPU_COUNT(&mask), host + ":"};
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &mask)) cores.host_and_names += std::to_string(core) + ",";
  return cores;
}

}  // namespace

int set_cpu_threads(int requested, comm::Communicator& world) {
  const Cores cores = usable_cores();
  const std::vector<std::string> all = world.gather(cores.host_and_names);
  const auto sharers = static_cast<int>(std::count(all.begin(), all.end(), cores.host_and_names));
  const int threads = requested > 0 ? requested : std::max(1, cores.count / sharers);
  at::set_num_threads(threads);
  return threads;
}

}  // namespace sdlora::process
