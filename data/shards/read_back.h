// What a writer of the cache says when the disk does not give back what it was given.
#pragma once

#include <filesystem>

#include "common/error.h"

namespace sdlora::data {

inline void require_read_back(bool is_equal, const std::filesystem::path& file) {
  if (is_equal) return;
  throw Error(ExitCode::kIo, {.what = "a file of the cache did not come back as it was written",
                              .where = file.string(),
                              .advice = "check the disk"});
}

}  // namespace sdlora::data
