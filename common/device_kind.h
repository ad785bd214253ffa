// Where to compute: the option --device of every program.
#pragma once

#include "common/words.h"

namespace sdlora {

enum class DeviceKind {
  kAuto,  // a GPU where there is one, else the CPU
  kCpu,
  kCuda,
};

inline Words<DeviceKind> device_words() {
  return {{"auto", DeviceKind::kAuto}, {"cpu", DeviceKind::kCpu}, {"cuda", DeviceKind::kCuda}};
}

}  // namespace sdlora
