// Which file is the mask of a picture.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "data/caching/picture_subset.h"
#include "data/images/image_folder.h"

namespace sdlora::data {

class MaskNames {
 public:
  // Lists the folder of masks, where the subset has one.
  explicit MaskNames(const PictureSubset& subset);

  // Below subset.masks_root(): "a-masklabel.png" beside "a.jpg", or in the folder of masks the picture "a",
  // with any extension, as kohya's (conditioning_data_dir). Empty where there is none, and where masks are
  // not by files.
  std::string mask_of(const std::string& source) const;

  // Masks that are none of `used`: in the folder of masks, or such of `passed_over`.
  std::vector<std::string> others_than(const std::set<std::string>& used,
                                       const std::vector<SkippedImage>& passed_over) const;

 private:
  const PictureSubset& subset_;
  std::map<std::string, std::string> in_folder_;  // by name without extension
};

}  // namespace sdlora::data
