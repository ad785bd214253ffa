// How fast something advances, judged by the last minute: the first step is slow, and machines change their
// pace.
#pragma once

#include <cstdint>
#include <deque>

namespace sdlora::monitoring {

class RecentRate {
 public:
  void add(double time_seconds, int64_t done);

  // 0 while unknown.
  double units_per_second() const;

 private:
  struct Mark {
    double time_seconds;
    int64_t done;
  };

  std::deque<Mark> marks_;
};

}  // namespace sdlora::monitoring
