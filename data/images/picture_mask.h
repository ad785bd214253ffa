// Which parts of a picture are to be learnt: its mask, white where the loss counts, black where it does not.
#pragma once

#include <filesystem>

#include "common/words.h"

namespace sdlora::data {

enum class MaskKind {
  kNone,
  kAlpha,  // the picture's own transparency, as kohya's alpha_mask
  kFile    // a picture beside it, as OneTrainer's
};

inline Words<MaskKind> mask_kind_words() {
  return {{"none", MaskKind::kNone}, {"alpha", MaskKind::kAlpha}, {"file", MaskKind::kFile}};
}

// "a/b-masklabel.png" of "a/b.jpg"
inline std::filesystem::path mask_file_of(const std::filesystem::path& picture) {
  return picture.parent_path() / (picture.stem().string() + "-masklabel.png");
}

// Whether a picture's name says that it is a mask.
inline bool is_mask_file(const std::filesystem::path& file) {
  return file.stem().string().ends_with("-masklabel");
}

}  // namespace sdlora::data
