#include "monitoring/records/run_files.h"

#include <fmt/format.h>
#include <sys/stat.h>

namespace sdlora::monitoring {

namespace fs = std::filesystem;

std::string run_name(const fs::path& run_directory) {
  return fs::absolute(run_directory / "").lexically_normal().parent_path().filename().string();
}

std::string run_id(const fs::path& run_directory) {
  std::error_code failure;
  fs::path place = fs::canonical(run_directory, failure);
  if (failure) place = fs::absolute(run_directory).lexically_normal();

  struct stat status {};

  ::stat(place.c_str(), &status);
  const size_t hash = std::hash<std::string>{}(fmt::format("{} {}", place.string(), status.st_ino));
  return fmt::format("{:08x}", static_cast<uint32_t>(hash));
}

}  // namespace sdlora::monitoring
