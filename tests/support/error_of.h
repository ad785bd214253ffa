// Errors as values.
#pragma once

#include <functional>
#include <string>

#include <gtest/gtest.h>

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

// The message of the Error that `action` must throw with that exit code.
inline std::string message_of_error(ExitCode exit_code, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), exit_code) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

}  // namespace sdlora
