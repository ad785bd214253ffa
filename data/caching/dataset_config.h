// kohya's data-set file (sd-scripts, --dataset_config, library/config_util.py): [general], [[datasets]] and
// their [[datasets.subsets]], as TOML or as JSON. What it leaves open is the command line's.
#pragma once

#include <filesystem>
#include <vector>

#include "data/caching/picture_subset.h"

namespace sdlora::data {

// `text`: the file's. The subsets in its order, each with its data set's number. `otherwise`: of what the
// file does not say. A key that is not obeyed here is refused by its name, with the reason, unless its value
// changes nothing. Throws Error(kUsage) naming file, table and key: unknown, in another place than kohya has
// it, of another type, out of range, or refused.
std::vector<PictureSubset> parse_dataset_config(const std::string& text, const std::filesystem::path& file,
                                                const PictureSubset& otherwise);

}  // namespace sdlora::data
