// Which files below a folder are images.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

namespace sdlora::data {

// Lists that lie among the images (data/captions/caption_list.h).
inline constexpr std::array<const char*, 2> kCaptionListNames = {"metadata.jsonl", "metadata.csv"};

// A file that a user would take for an image of the set, and why it is not in it.
struct SkippedImage {
  std::string source;  // path below the image folder
  std::string reason;

  bool operator==(const SkippedImage&) const = default;
};

struct FoundImages {
  std::vector<std::string> sources;  // paths below the folder, in bytewise order
  std::vector<SkippedImage> skipped = {};
  std::vector<SkippedImage> passed_over = {};   // pictures that are not meant as ones of the set
  std::vector<std::string> caption_lists = {};  // paths of these, as above
};

// Looks in all sub folders, through links too, in each real folder once; where not `looks_below`, a sub
// folder is passed over. An image is a file with the extension of a kind that is read (image_kind.h). Named
// as skipped: pictures of other kinds (.psd, .dng, …), folders that go by an image's name, links that lead
// nowhere (they may have led to a picture or to a folder of them), folders that cannot be listed, names that
// are not UTF-8. Passed over: files that hold a picture under a name that is none's (a.jpg_original, a.jpg~,
// a camera's .THM), masks (NAME-masklabel.png), previews of this program's runs. Hidden files and folders
// (".name") are passed over without a word. Throws Error(kUsage) when `folder` is not a folder.
// `between_files` is called before each entry, and may throw.
FoundImages find_images(const std::filesystem::path& folder, bool looks_below = true,
                        const std::function<void()>& between_files = nullptr);

// "source: reason" of each, one per line, (common/text_list.h).
std::string indented_list_of(const std::vector<SkippedImage>& images, size_t most_named = 20);

}  // namespace sdlora::data
