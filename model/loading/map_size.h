// How large an activation is.
#pragma once

#include <cstdint>

namespace sdlora::model {

struct MapSize {
  int64_t height = 0;  // cells; 0: unknown
  int64_t width = 0;

  int64_t cells() const { return height * width; }

  // After `times` convolutions with stride 2, each of which rounds up.
  MapSize halved(int64_t times) const {
    const auto of_side = [&](int64_t side) { return (side + (int64_t{1} << times) - 1) >> times; };
    return {of_side(height), of_side(width)};
  }
};

}  // namespace sdlora::model
