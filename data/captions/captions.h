// The caption of every image: a text file beside it, else metadata.jsonl or metadata.csv, else words of its
// folder's name, else one for all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace sdlora::data {

inline constexpr size_t kLongestCaptionBytes = 16 << 10;

// Captions, each once. Row 0 is the empty one; the others follow in the order in which the images first use
// them.
class CaptionTable {
 public:
  // Where it stands; new ones are added.
  int64_t row_of(const std::string& caption);

  const std::vector<std::string>& captions() const { return captions_; }

 private:
  std::vector<std::string> captions_ = {""};
  std::unordered_map<std::string, int64_t> rows_ = {{"", 0}};
};

struct ImageCaptions {
  std::vector<std::vector<int64_t>> rows_of_image;  // of the table, for each source one or more
  // Sources whose text file or line is there and says nothing.
  std::vector<std::string> emptied_images = {};
};

// Where the caption of an image is looked for: the first of these that is there.
struct CaptionPlaces {
  std::string extensions = ".txt,.caption";  // of files beside it, tried in this order
  std::string column = "text";               // of metadata.jsonl and metadata.csv
  std::function<std::optional<std::string>(const std::string& source)> of_folder =
      {};                                               // by the folder's name
  std::optional<std::string> for_the_rest = {};         // for images that have none of these
  std::string last_way = "or --training-caption TEXT";  // how else to give one, said where there is none
};

// `sources`: paths below `folder`. New captions are added to `table`. A text file is taken whole, without
// white space at its ends and without a byte-order mark; an empty file is the empty caption. Of several in a
// list each is so taken. A caption list (caption_list.h) may lie in any folder from the image's own up to
// `folder`, the nearest that has the image counts. Throws Error(kBadData): images without a caption (all
// counted, 20 named), a caption that is not UTF-8 text or longer than 16 KiB, a text file that is a broken
// link, a list that caption_list.h refuses, two texts for one image in one list. `between_images` is called
// before each, and may throw. Throws Error(kUsage) where `extensions` names none.
ImageCaptions find_captions(const std::filesystem::path& folder, const std::vector<std::string>& sources,
                            const CaptionPlaces& places, CaptionTable& table,
                            const std::function<void()>& between_images = nullptr);

}  // namespace sdlora::data
