// The caption of every image: NAME.txt beside it, else metadata.jsonl, else one for all.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace sdlora::data {

// Captions, each once. Row 0 is the empty one; the others follow in the order in which the images first use
// them.
struct CaptionTable {
  std::vector<std::string> captions;
  std::vector<int64_t> index_of_image;  // a row of `captions` for each source
  // Sources whose NAME.txt or line is there and says nothing.
  std::vector<std::string> emptied_images = {};
};

// `sources`: paths below `folder`. NAME.txt is taken whole, without white space at its ends and without a
// byte-order mark; an empty file is the empty caption. metadata.jsonl has one object per line with
// `file_name`, relative to the folder it lies in, and `text`; it may lie in any folder from the image's own
// up to `folder`, the nearest counts. Throws Error(kBadData): images without a caption (all counted, 20
// named), a caption that is not UTF-8 text or longer than 16 KiB, a NAME.txt that is a broken link, a line of
// metadata.jsonl that is not such an object, two texts for one image in one metadata.jsonl. `between_images`
// is called before each, and may throw.
CaptionTable find_captions(const std::filesystem::path& folder, const std::vector<std::string>& sources,
                           const std::optional<std::string>& caption_for_the_rest,
                           const std::function<void()>& between_images = nullptr);

}  // namespace sdlora::data
