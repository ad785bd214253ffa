#include "data/images/folder_repeats.h"

#include <charconv>

#include "data/shards/shard_format.h"

namespace sdlora::data {

std::optional<RepeatedFolder> repeated_folder(const std::string& name) {
  const size_t underscore = name.find('_');
  if (underscore == std::string::npos || underscore + 1 == name.size()) return std::nullopt;
  RepeatedFolder folder{.repeats = 0, .words = name.substr(underscore + 1)};
  const char* end = name.data() + underscore;
  const auto [stopped, error] = std::from_chars(name.data(), end, folder.repeats);
  const bool is_number = error == std::errc() && stopped == end;
  if (!is_number || folder.repeats < 1 || folder.repeats > kMostRepeats) return std::nullopt;
  return folder;
}

std::optional<std::string> first_folder_of(const std::string& source) {
  const size_t slash = source.find('/');
  if (slash == std::string::npos) return std::nullopt;
  return source.substr(0, slash);
}

std::map<std::string, RepeatedFolder> repeated_folders(const std::vector<std::string>& sources) {
  std::map<std::string, RepeatedFolder> folders;
  for (const std::string& source : sources) {
    const std::optional<std::string> name = first_folder_of(source);
    const std::optional<RepeatedFolder> folder = name ? repeated_folder(*name) : std::nullopt;
    if (!folder) return {};
    folders.emplace(*name, *folder);
  }
  return folders;
}

}  // namespace sdlora::data
