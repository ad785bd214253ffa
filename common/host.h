// This host.
#pragma once

#include <string>

namespace sdlora {

// As gethostname(2) says.
std::string host_name();

}  // namespace sdlora
