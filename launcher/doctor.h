// launcher doctor: what this machine and this build have, and what is missing, in words.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::launcher {

struct Finding {
  enum class Kind { kFine, kNote, kMissing };  // kNote: works, but somebody may want to know
  Kind kind;
  std::string topic;  // "memory"
  std::string text;
};

// `directory`: where runs shall be written.
std::vector<Finding> examine(const std::filesystem::path& directory);

// One line a finding, and a last one that sums up.
std::string report_text(const std::vector<Finding>& findings);

bool is_anything_missing(const std::vector<Finding>& findings);

}  // namespace sdlora::launcher
