#include "monitoring/replace_file.h"

#include <cstdio>
#include <string>

#include <unistd.h>

#include "common/error.h"

namespace sdlora::monitoring {

void replace_file(const std::filesystem::path& file, std::string_view text) {
  const std::filesystem::path temporary = file.string() + ".tmp-" + std::to_string(getpid());
  std::FILE* stream = std::fopen(temporary.c_str(), "we");
  bool is_written = stream != nullptr;
  if (is_written) {
    is_written = std::fwrite(text.data(), 1, text.size(), stream) == text.size() &&
                 std::fflush(stream) == 0 && fsync(fileno(stream)) == 0;
    is_written = std::fclose(stream) == 0 && is_written;
  }
  if (is_written && std::rename(temporary.c_str(), file.c_str()) == 0) return;

  const std::string reason = system_error_text();
  std::remove(temporary.c_str());
  throw Error(ExitCode::kIo,
              Problem{.what = "cannot write a file",
                      .seen = reason,
                      .where = file.string(),
                      .advice = "check that the folder exists, its permissions and the free space"});
}

}  // namespace sdlora::monitoring
