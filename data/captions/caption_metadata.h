// The texts of a folder's caption lists (caption_list.h).
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace sdlora::data {

class CaptionMetadata {
 public:
  // Texts are members or columns of the name `column`.
  explicit CaptionMetadata(std::filesystem::path root, std::string column)
      : root_(std::move(root)), column_(std::move(column)) {}

  // The texts of the nearest list that has some for `source` (a path below the root), from the
  // image's own folder up to the root; empty where there is none. Files are read when first needed. Throws
  // Error(kBadData) naming file and line.
  std::vector<std::string> texts_of(const std::string& source);

 private:
  using Texts = std::map<std::string, std::vector<std::string>>;  // by path relative to the folder

  const Texts& texts_in(const std::filesystem::path& folder);

  std::filesystem::path root_;
  std::string column_;
  std::map<std::string, Texts> texts_by_folder_;  // by path below the root; empty where there is no such file
};

}  // namespace sdlora::data
