#include "comm/thread_binding.h"

#include <array>
#include <climits>
#include <cstdlib>
#include <vector>

#include <omp.h>
#include <sched.h>
#include <unistd.h>

namespace sdlora::comm {
namespace {

constexpr const char* kTakenBack = "SDLORA_THREAD_BINDING_TAKEN_BACK";
constexpr std::array kVariables{"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY"};

// All the cores that OpenMP may use: what this process had before it was bound, or those it was told.
cpu_set_t cores_of_places() {
  cpu_set_t cores;
  CPU_ZERO(&cores);
  for (int place = 0; place < omp_get_num_places(); ++place) {
    std::vector<int> of_place(static_cast<size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, of_place.data());
    for (const int core : of_place) CPU_SET(core, &cores);
  }
  return cores;
}

}  // namespace

void take_back_thread_binding(char** argv) {
  if (std::getenv(kTakenBack) != nullptr) return;
  if (omp_get_proc_bind() == omp_proc_bind_false || omp_get_num_places() == 0) return;
  const cpu_set_t cores = cores_of_places();
  std::array<char, PATH_MAX> program{};
  if (::readlink("/proc/self/exe", program.data(), program.size() - 1) < 0 ||
      ::sched_setaffinity(0, sizeof cores, &cores) != 0)
    return;
  std::string undone;
  for (const char* variable : kVariables)
    if (const char* value = std::getenv(variable)) {
      undone += (undone.empty() ? "" : " ") + std::string(variable) + "=" + value;
      ::unsetenv(variable);
    }
  ::setenv(kTakenBack, undone.c_str(), /*overwrite=*/1);
  ::execv(program.data(), argv);
  ::unsetenv(kTakenBack);  // not started again: bound as before, which set_cpu_threads() sees
}

std::string undone_thread_binding() {
  const char* undone = std::getenv(kTakenBack);
  if (undone == nullptr) return "";
  std::string sentence = undone + std::string(" is not obeyed: the ranks share the cores by --cpu-threads");
  ::unsetenv(kTakenBack);
  return sentence;
}

}  // namespace sdlora::comm
