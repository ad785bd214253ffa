#include "comm/fail_together.h"

#include <fmt/format.h>

#include "common/error_report.h"

namespace sdlora::comm {

void fail_together(Communicator& world, const std::function<void()>& body) {
  std::string own;  // empty: all is well; else "<exit code> <message>"
  try {
    body();
  } catch (...) {
    const ErrorReport report = report_of(std::current_exception());
    own = fmt::format("{} {}", static_cast<int>(report.exit_code), report.message);
    if (world.size() > 1) own += fmt::format("\n  found by: {}", place_of(world));
  }
  for (const std::string& text : world.gather(own)) {
    if (text.empty()) continue;
    const size_t space = text.find(' ');
    throw CommonError(static_cast<ExitCode>(std::stoi(text.substr(0, space))), text.substr(space + 1));
  }
}

}  // namespace sdlora::comm
