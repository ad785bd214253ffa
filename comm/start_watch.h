// Ends a process in which MPI does not come up. MPI_Init and the first messages have no time limit of their
// own, and the watchdog (watchdog.h) begins when they are over.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace sdlora::comm {

class StartWatch {
 public:
  // Unless this is destroyed within `patience`, the process writes one message, which names the network's
  // interfaces and /dev/shm, and ends with exit code 70.
  explicit StartWatch(std::chrono::seconds patience);
  ~StartWatch();

  StartWatch(const StartWatch&) = delete;
  StartWatch& operator=(const StartWatch&) = delete;

  // What comes next, for the message.
  void progress(const char* doing);

 private:
  void watch();

  const std::chrono::seconds patience_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string doing_ = "MPI_Init";
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace sdlora::comm
