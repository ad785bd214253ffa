#include "data/picture_folders.h"

#include <algorithm>
#include <set>

#include "data/captions/caption_tags.h"
#include "data/images/folder_repeats.h"

namespace sdlora::data {
namespace {

std::string in_lower_case(std::string text) {
  for (char& letter : text)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return text;
}

// kohya's folders are part of a picture's path; those of a data-set file are subsets.
std::string folder_name(const Dataset& dataset, int64_t picture) {
  const CacheSubset& subset = dataset.subsets()[dataset.subset_of(picture)];
  const std::string path = dataset.source_of(picture).substr(subset.prefix().size());
  const std::optional<std::string> first = first_folder_of(path);
  return first && repeated_folder(*first) ? *first : subset.name;
}

std::set<std::string> tags_of_picture(const Dataset& dataset, int64_t picture) {
  std::set<std::string> tags;
  for (const size_t caption : dataset.captions_of(picture))
    for (const std::string& tag : caption_tags(dataset.captions()[caption])) tags.insert(in_lower_case(tag));
  return tags;
}

}  // namespace

std::vector<PictureFolder> picture_folders(const Dataset& dataset, const std::vector<int64_t>& samples) {
  std::vector<PictureFolder> folders;
  std::map<std::pair<std::string, bool>, size_t> place_of;
  for (const int64_t sample : samples) {
    if (sample >= dataset.picture_count()) continue;  // a mirror image
    const std::pair<std::string, bool> key{folder_name(dataset, sample), dataset.is_reg(sample)};
    const auto [place, is_new] = place_of.try_emplace(key, folders.size());
    if (is_new) folders.push_back({.name = key.first, .is_reg = key.second});
    PictureFolder& folder = folders[place->second];
    ++folder.picture_count;
    folder.repeats = std::max(folder.repeats, dataset.repeats_of(sample));
    for (const std::string& tag : tags_of_picture(dataset, sample)) ++folder.tags[tag];
  }
  return folders;
}

std::vector<std::string> shared_tags(const std::vector<PictureFolder>& folders) {
  std::map<std::string, int64_t> counts;
  int64_t picture_count = 0;
  for (const PictureFolder& folder : folders) {
    if (folder.is_reg) continue;
    picture_count += folder.picture_count;
    for (const auto& [tag, count] : folder.tags) counts[tag] += count;
  }
  std::vector<std::string> shared;
  for (const auto& [tag, count] : counts)
    if (count == picture_count) shared.push_back(tag);
  return shared;
}

}  // namespace sdlora::data
