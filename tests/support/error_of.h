// Errors as values.
#pragma once

#include <functional>
#include <string>

#include "common/error.h"

namespace sdlora {

// "65 the message", or "nothing was thrown". Anything but an Error passes through and fails the test.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return std::to_string(static_cast<int>(error.exit_code())) + " " + error.what();
  }
  return "nothing was thrown";
}

}  // namespace sdlora
