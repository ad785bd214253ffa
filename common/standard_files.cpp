#include "common/standard_files.h"

#include <cerrno>

#include <fcntl.h>
#include <unistd.h>

namespace sdlora {

void open_missing_standard_files() {
  // In ascending order: open gives the lowest number that is free.
  for (const int file : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (::fcntl(file, F_GETFD) == -1 && errno == EBADF && ::open("/dev/null", O_RDWR) != file) return;
}

}  // namespace sdlora
