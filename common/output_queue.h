// Text on its way to a terminal or a pipe that may take nothing for a while, or for ever: Ctrl-S, `| less`, a
// reader that is gone. A thread of its own writes, so nobody who has something to say stands still with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace sdlora {

class OutputQueue {
 public:
  using Milliseconds = std::chrono::milliseconds;

  // `note` makes the text that stands for a number of lines which were dropped. It must not write here.
  OutputQueue(int file, std::function<std::string(int64_t lines)> note);

  // Waits until everything is written, two seconds at most.
  ~OutputQueue();

  OutputQueue(const OutputQueue&) = delete;
  OutputQueue& operator=(const OutputQueue&) = delete;

  // Dropped, and its lines counted, when more waits than a few hundred KiB, or when it cannot be written.
  // When text is taken again, the number is noted where the gap is. Returns when the text is written, or
  // patience is over.
  void write(std::string text, Milliseconds patience);

  // For what is out of date soon. Dropped uncounted when other text waits.
  void write_unless_behind(std::string text);

  // Whether text is not taken at present.
  bool is_behind() const;

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;  // with the thread, which nobody can wait for: it may be stuck in a write
};

}  // namespace sdlora
