// Which maps are small: their 3×3 convolutions wait for the weight, not for the multiplications.
#pragma once

#include <cstdint>

namespace sdlora::model::kernels {

inline constexpr int64_t kSmallMapCells = 64;  // at most, of one sample

}  // namespace sdlora::model::kernels
