// Lines of caption lists (caption_list.h) that name a picture which is not there.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "data/images/image_folder.h"

namespace sdlora::data {

// "set/metadata.jsonl: lost.png" for each. Lines that say nothing at all are not looked at: whoever needs
// their text finds out (captions.h).
std::vector<std::string> lines_without_picture(const std::filesystem::path& folder, const FoundImages& found);

}  // namespace sdlora::data
