// What earlier scans of a folder saw of its files, so that the next reads only those that have changed since:
// 20,000 pictures are tens of gigabytes. Kept in ${SDLORA_HOME:-~/.cache/sdlora}/scans, a file for each
// folder; whoever removes it has all read again.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "data/images/image_file.h"

namespace sdlora::data {

// A look at a file.
struct Look {
  InspectedImage seen;   // of a mask without size
  std::string identity;  // of the file: inode, size, times; empty: to be looked at again
};

nlohmann::json to_json(const Look& look);

// Throws nlohmann::json::exception.
Look look_from(const nlohmann::json& json);

class ScanMemory {
 public:
  ScanMemory() = default;

  // Of `folder`, in `memory`; an empty `memory`, or one that cannot be read, remembers nothing.
  ScanMemory(const std::filesystem::path& memory, const std::filesystem::path& folder);

  // Of the files of `folder`, in the folder of this user.
  static ScanMemory of_this_user(const std::filesystem::path& folder);

  // For the other ranks, which do not save it.
  std::string to_text() const;
  static ScanMemory from_text(const std::string& text);

  // What was seen of `file` by this name if it has not changed since, else what `inspect` sees now. What is
  // of no use is not remembered.
  Look look_at(const std::string& name, const std::filesystem::path& file,
               const std::function<InspectedImage()>& inspect) const;

  // Remembers, or forgets what has no identity.
  void keep(const std::string& name, const Look& look);

  // A memory that cannot be written only costs time.
  void save() const;

 private:
  std::filesystem::path file_;  // empty: nowhere
  std::map<std::string, Look> looks_;
};

}  // namespace sdlora::data
