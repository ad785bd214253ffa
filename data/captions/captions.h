// The caption of every image: a text file beside it, else metadata.jsonl or metadata.csv, else words of its
// folder's name, else one for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sdlora::data {

inline constexpr size_t kLongestCaptionBytes = 16 << 10;

// Captions, each once. Row 0 is the empty one; the others follow in the order in which the images first use
// them.
struct CaptionTable {
  std::vector<std::string> captions;
  std::vector<int64_t> index_of_image;  // a row of `captions` for each source
  // Sources whose text file or line is there and says nothing.
  std::vector<std::string> emptied_images = {};
};

// Where the caption of an image is looked for: the first of these that is there.
struct CaptionPlaces {
  std::string extensions = ".txt,.caption";  // of files beside it, tried in this order
  std::string column = "text";               // of metadata.jsonl and metadata.csv
  std::function<std::optional<std::string>(const std::string& source)> of_folder =
      {};                                        // by the folder's name
  std::optional<std::string> for_the_rest = {};  // for images that have none of these
};

// `sources`: paths below `folder`. A text file is taken whole, without white space at its ends and without a
// byte-order mark; an empty file is the empty caption. A caption list (caption_list.h) may lie in any folder
// from the image's own up to `folder`, the nearest that has the image counts. Throws Error(kBadData): images
// without a caption (all counted, 20 named), a caption that is not UTF-8 text or longer than 16 KiB, a text
// file that is a broken link, a list that caption_list.h refuses, two texts for one image in one list.
// `between_images` is called before each, and may throw. Throws Error(kUsage) where `extensions` names none.
CaptionTable find_captions(const std::filesystem::path& folder, const std::vector<std::string>& sources,
                           const CaptionPlaces& places,
                           const std::function<void()>& between_images = nullptr);

}  // namespace sdlora::data
