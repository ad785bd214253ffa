// How progress reads, on a terminal and in a file.
#pragma once

#include <cstdint>
#include <string>

namespace sdlora::monitoring {

struct Progress {
  std::string title;  // "training"
  std::string unit;   // "steps"
  int64_t done = 0;
  int64_t total = 0;            // 0: unknown
  double units_per_second = 0;  // 0: unknown
  double elapsed_seconds = 0;
  std::string tail = {};  // free text: "loss 0.0123"
};

// "training   42 %  [=======>         ]  210/500 steps  1.23 steps/s  02:51 gone, 03:55 left  loss 0.0123":
// at most `columns` wide; where it is narrow, the less important parts are left out.
std::string terminal_line(const Progress& progress, int columns);

// "training: 210/500 steps (42 %), 1.23 steps/s, 02:51 gone, 03:55 left, loss 0.0123"
std::string plain_line(const Progress& progress);

// "02:51", "1:02:51", "3 d 01:02:51"
std::string duration_text(double seconds);

}  // namespace sdlora::monitoring
