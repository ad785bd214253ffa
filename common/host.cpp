#include "common/host.h"

#include <array>
#include <climits>

#include <unistd.h>

namespace sdlora {

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  ::gethostname(name.data(), name.size() - 1);
  return name.data();
}

}  // namespace sdlora
