#include "comm/start_watch.h"

#include <cstdlib>
#include <filesystem>

#include <fmt/format.h>
#include <unistd.h>

#include "common/error.h"
#include "common/host.h"
#include "common/log.h"
#include "common/network_interfaces.h"

namespace sdlora::comm {
namespace {

// Rank 0 speaks first; when it ends, the others are ended by mpirun.
constexpr std::chrono::seconds kPatienceWithRankZero{2};

int rank_by_environment() {
  for (const char* variable : {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"})
    if (const char* text = std::getenv(variable)) return std::atoi(text);
  return 0;
}

std::string shared_memory_in_words() {
  std::error_code failure;
  const auto space = std::filesystem::space("/dev/shm", failure);
  if (failure) return "/dev/shm: " + failure.message();
  return fmt::format("/dev/shm: {} MiB, {} MiB free", space.capacity >> 20, space.available >> 20);
}

}  // namespace

StartWatch::StartWatch(std::chrono::seconds patience) : patience_(patience), thread_([this] { watch(); }) {}

StartWatch::~StartWatch() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void StartWatch::progress(const char* doing) {
  const std::lock_guard lock(mutex_);
  doing_ = doing;
}

void StartWatch::watch() {
  const int rank = rank_by_environment();
  std::unique_lock lock(mutex_);
  const auto patience = patience_ + (rank == 0 ? std::chrono::seconds(0) : kPatienceWithRankZero);
  if (changed_.wait_for(lock, patience, [this] { return is_over_; })) return;
  const auto interfaces = network_interfaces();
  log::error(Error(ExitCode::kInternal,
                   {.what = "MPI does not start: this rank gives up",
                    .expected = fmt::format("all ranks connected within {} s", patience_.count()),
                    .seen = fmt::format("nothing new since then in {}; interfaces: {}; {}", doing_,
                                        describe(interfaces), shared_memory_in_words()),
                    .where = fmt::format("rank {} on host {}", rank, host_name()),
                    .advice = fmt::format(
                        "where an interface has the same address on several hosts, or does not lead "
                        "to the others, leave it out: {}; where /dev/shm is small, full or not the "
                        "same for all ranks of a host: export OMPI_MCA_btl=self,tcp; a large job may "
                        "need a longer --startup-timeout",
                        command_to_exclude(interfaces))})
                 .what());
  // No destructors: the main thread is stuck in the library.
  _exit(static_cast<int>(ExitCode::kInternal));
}

}  // namespace sdlora::comm
