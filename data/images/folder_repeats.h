// kohya's folders: of NUMBER_WORDS, an epoch has the pictures NUMBER times, and WORDS is the caption of those
// that have none.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/words.h"

namespace sdlora::data {

// More in an epoch is a slip of the hand, or a folder's date.
inline constexpr int64_t kMostRepeats = 1000;

enum class FolderRepeats { kAuto, kOff };

inline Words<FolderRepeats> folder_repeats_words() {
  return {{"auto", FolderRepeats::kAuto}, {"off", FolderRepeats::kOff}};
}

struct RepeatedFolder {
  int64_t repeats;
  std::string words;

  bool operator==(const RepeatedFolder&) const = default;
};

// "10_sks dog": 10 and "sks dog". Nothing for a name of another kind, and for more than kMostRepeats:
// "2024_08" is no wish to see a picture two thousand times.
std::optional<RepeatedFolder> repeated_folder(const std::string& name);

// Of such folders, the names of which are like kohya's, though not all are: the first path that is why they
// count for nothing. Nothing where all are so named, and where none is.
std::optional<std::string> first_named_otherwise(const std::vector<std::string>& sources);

// By the first folder of a path, where all of `sources` (paths with slashes) lie in folders so named; else
// none.
std::map<std::string, RepeatedFolder> repeated_folders(const std::vector<std::string>& sources);

// "a/b/c.png": "a"; of "c.png" nothing.
std::optional<std::string> first_folder_of(const std::string& source);

}  // namespace sdlora::data
