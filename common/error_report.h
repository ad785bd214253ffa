// What a caught exception means to the user: an exit code and one message.
#pragma once

#include <exception>
#include <string>

#include "common/error.h"

namespace sdlora {

struct ErrorReport {
  ExitCode exit_code;
  std::string message;
};

// An Error as it is; a lack of memory said as such; anything else is a defect of ours (70), with its first
// line.
ErrorReport report_of(const std::exception_ptr& exception);

}  // namespace sdlora
