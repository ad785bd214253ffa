// What earlier scans saw of pictures and masks, so that the next reads only those that have changed since:
// 20,000 pictures are tens of gigabytes. Kept in the cache's directory (kScanName); whoever removes it has
// all read again.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>

#include <nlohmann/json.hpp>

#include "data/images/image_file.h"

namespace sdlora::data {

inline constexpr const char* kScanFormat = "sdlora scan of pictures";

// As what a file is looked at.
enum class LookAt { kPicture, kMask };

struct Look {
  InspectedImage seen;   // of a mask without size
  std::string identity;  // of the file: device, inode, size, times; empty: to be looked at again
};

nlohmann::json to_json(const Look& look);

// Throws nlohmann::json::exception, also for numbers that are no picture's.
Look look_from(const nlohmann::json& json);

class ScanMemory {
 public:
  ScanMemory() = default;

  // What `file` has; nothing if it is not there or damaged.
  explicit ScanMemory(const std::filesystem::path& file);

  // For the other ranks.
  std::string to_text() const;

  // Throws nlohmann::json::exception.
  static ScanMemory from_text(const std::string& text);

  // What was seen of `file` if it has not changed since, else what `inspect` sees now. What is of no use is
  // not to be remembered.
  Look look_at(const std::filesystem::path& file, LookAt role,
               const std::function<InspectedImage()>& inspect) const;

  // Remembers, or forgets what has no identity.
  void keep(const std::filesystem::path& file, LookAt role, const Look& look);

  // All that was not kept since the beginning of the run: files that are gone.
  void forget_the_rest();

  // Into this file, if something is new. A memory that cannot be written only costs time.
  void save_to(const std::filesystem::path& file);

 private:
  struct Entry {
    Look look;
    bool is_kept = false;
  };

  std::map<std::string, Entry> entries_;  // by role and hash of the absolute path
  bool is_changed_ = false;
};

}  // namespace sdlora::data
