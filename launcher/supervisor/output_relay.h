// Hands on what a program writes. mpirun gives up its ranks when nobody reads its output any more, and stands
// still while a terminal takes nothing; behind a relay it does neither.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <thread>

namespace sdlora::launcher {

class OutputRelay {
 public:
  // Throws Error(kInternal) when no pipe or thread can be made.
  OutputRelay();

  // Waits for the end of what was written, at most a second: a process that lives on may hold it open.
  ~OutputRelay();

  OutputRelay(const OutputRelay&) = delete;
  OutputRelay& operator=(const OutputRelay&) = delete;

  // For the program, as its standard output and error; closed by exec.
  int output_end() const { return streams_[0].program_end; }

  int error_end() const { return streams_[1].program_end; }

  // When the program has them: our copies would keep the streams open.
  void close_program_ends();

 private:
  struct Stream {
    int our_end = -1, program_end = -1;
    int number = -1;         // of ours that it goes to
    std::string begun = {};  // a line without its end
  };

  void relay();  // the thread
  static void take_from(Stream& stream);
  static void hand_on(Stream& stream, size_t byte_count);

  std::array<Stream, 2> streams_;
  std::atomic<bool> is_over_ = false;
  std::thread thread_;
};

}  // namespace sdlora::launcher
