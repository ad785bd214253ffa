#include "data/caching/mask_names.h"

#include "common/error.h"
#include "common/utf8.h"
#include "data/images/image_kind.h"
#include "data/images/picture_mask.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

}  // namespace

MaskNames::MaskNames(const PictureSubset& subset) : subset_(subset) {
  if (subset.mask != MaskKind::kFile || subset.mask_folder.empty()) return;
  std::error_code error;
  for (fs::directory_iterator entry(subset.mask_folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path name = entry->path().filename();
    if (!kind_by_name(name) || name.string().starts_with('.')) continue;
    const auto [other, is_first] = in_folder_.try_emplace(name.stem().string(), name.string());
    if (!is_first)
      throw Error(ExitCode::kBadData, {.what = "a picture has two masks",
                                       .expected = "one file of a name, whatever its extension",
                                       .seen = other->second + " and " + name.string(),
                                       .where = subset.mask_folder.string(),
                                       .advice = "take one away"});
  }
  if (error)
    throw Error(ExitCode::kUsage, {.what = "the folder of masks cannot be listed",
                                   .expected = "conditioning_data_dir: masks named as their pictures",
                                   .seen = error.message(),
                                   .where = subset.mask_folder.string()});
}

std::string MaskNames::mask_of(const std::string& source) const {
  if (subset_.mask != MaskKind::kFile) return "";
  if (!subset_.mask_folder.empty()) {
    const auto found = in_folder_.find(fs::path(source).stem().string());
    return found == in_folder_.end() ? "" : found->second;
  }
  const fs::path name = mask_file_of(source);
  std::error_code error;
  const bool is_there = fs::symlink_status(subset_.folder / name, error).type() != fs::file_type::not_found;
  return is_there ? name.generic_string() : "";
}

std::vector<std::string> MaskNames::others_than(const std::set<std::string>& used,
                                                const std::vector<SkippedImage>& passed_over) const {
  std::vector<std::string> others;
  for (const auto& [stem, name] : in_folder_)
    if (!used.contains(name)) others.push_back(valid_utf8(name));
  if (subset_.mask_folder.empty())
    for (const SkippedImage& image : passed_over)
      if (is_mask_file(image.source) && !used.contains(image.source)) others.push_back(image.source);
  return others;
}

}  // namespace sdlora::data
