// The tags of a caption, as kohya counts them (sd-scripts, set_tag_frequency): parts between commas, without
// white space at their ends.
#pragma once

#include <set>
#include <string>

namespace sdlora::data {

// Each once, with the case of its letters.
std::set<std::string> caption_tags(const std::string& caption);

}  // namespace sdlora::data
