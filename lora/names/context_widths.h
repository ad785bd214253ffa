// How many numbers a caption's token has, by which adapters for one family of models are told from others'.
#pragma once

#include <cstdint>

namespace sdlora::lora {

inline constexpr int64_t kContextWidthOfSd1 = 768;
inline constexpr int64_t kContextWidthOfSd2 = 1024;
inline constexpr int64_t kContextWidthOfSdxl = 2048;

}  // namespace sdlora::lora
