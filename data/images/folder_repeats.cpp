#include "data/images/folder_repeats.h"

#include <charconv>

#include "common/trimmed.h"

namespace sdlora::data {

std::optional<RepeatedFolder> repeated_folder(const std::string& name) {
  const size_t underscore = name.find('_');
  if (underscore == std::string::npos || trimmed(name.substr(underscore + 1)).empty()) return std::nullopt;
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

std::optional<std::string> first_named_otherwise(const std::vector<std::string>& sources) {
  std::optional<std::string> other;
  bool is_any_so_named = false;
  for (const std::string& source : sources) {
    const std::optional<std::string> name = first_folder_of(source);
    if (name && repeated_folder(*name))
      is_any_so_named = true;
    else if (!other)
      other = source;
  }
  return is_any_so_named ? other : std::nullopt;
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
