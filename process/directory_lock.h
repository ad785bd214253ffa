// One owner per output directory, a run's or a cache's: a lock that the operating system drops when its
// holder dies, however it dies.
#pragma once

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>

#include "comm/communicator.h"

namespace sdlora::process {

class DirectoryLock {
 public:
  // Takes `file` (created, with its folder, where it is missing) and writes into it who holds it: `holder`
  // ("trainer", "cache_latents"), process, host and time. Throws Error(kMismatch) with what stands there when
  // another process still holds it after `patience`, Error(kIo) when the file cannot be made. A file system
  // without locks only gets a warning.
  DirectoryLock(const std::filesystem::path& file, const std::string& holder,
                std::chrono::milliseconds patience);
  ~DirectoryLock();

  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;

 private:
  int descriptor_ = -1;  // not inherited by programs that this one starts
};

// (all ranks; rank 0 holds it) OUTPUT/trainer.lock. A rank 0 of an attempt that was ended a moment ago may
// take some seconds to be gone; it is waited for. Throws on every rank.
std::unique_ptr<DirectoryLock> own_run_directory(const std::filesystem::path& output,
                                                 comm::Communicator& world);

// For a launcher: OUTPUT/launcher.lock.
std::unique_ptr<DirectoryLock> own_supervision(const std::filesystem::path& output);

}  // namespace sdlora::process
