// The type of a frozen model's arithmetic: the option --mixed-precision.
#pragma once

#include <ATen/core/Tensor.h>

#include "common/words.h"

namespace sdlora::model {

enum class MixedPrecision { kNo, kFp16, kBf16 };

inline Words<MixedPrecision> mixed_precision_words() {
  return {{"no", MixedPrecision::kNo}, {"fp16", MixedPrecision::kFp16}, {"bf16", MixedPrecision::kBf16}};
}

inline at::ScalarType dtype_of(MixedPrecision precision) {
  switch (precision) {
    case MixedPrecision::kFp16:
      return at::kHalf;
    case MixedPrecision::kBf16:
      return at::kBFloat16;
    case MixedPrecision::kNo:
      break;
  }
  return at::kFloat;
}

}  // namespace sdlora::model
