// What C libraries print to standard error while this lives: libpng and libjpeg tell of damage in no other
// way. The whole process is redirected, so this belongs in a process that does nothing else (image_loader.h).
#pragma once

#include <string>
#include <vector>

namespace sdlora::data {

class CapturedStderr {
 public:
  CapturedStderr();
  ~CapturedStderr();
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  // What was printed so far, at most its first 16 KiB.
  std::vector<std::string> take_lines() const;

 private:
  int saved_stderr_ = -1;
  int buffer_ = -1;  // a file in memory
};

}  // namespace sdlora::data
