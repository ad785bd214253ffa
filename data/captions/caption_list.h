// The caption lists of Hugging Face's "imagefolder" data sets: metadata.jsonl, an object a line, or
// metadata.csv (RFC 4180) with a first row of names. Both have a member or column `file_name`, a path
// relative to the list's folder.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sdlora::data {

struct CaptionLine {
  int64_t number;  // of the line; in metadata.csv of the row, the names' being 1
  std::string file_name;
  std::vector<std::string> texts;  // one, or in metadata.jsonl a list of some
};

// The list of a folder, if there is one. Throws Error(kBadData) where there are both.
std::optional<std::filesystem::path> caption_list_in(const std::filesystem::path& folder);

// All lines with what they have under `column`: a text, or in metadata.jsonl a list of texts. Throws
// Error(kBadData) naming file and line for one without one of the two, or that is no such line.
std::vector<CaptionLine> read_caption_list(const std::filesystem::path& list, const std::string& column);

// Of the lines that have one, whatever else they lack. Throws Error for a list that cannot be read.
std::vector<std::string> file_names_in(const std::filesystem::path& list);

// "metadata.csv, row 7"
std::string place_in_list(const std::filesystem::path& list, int64_t number);

}  // namespace sdlora::data
