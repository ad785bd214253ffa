// How often an epoch has each regularisation picture: together as often as it has pictures to be learnt, as
// kohya balances them (sd-scripts, DreamBoothDataset.__init__).
#pragma once

#include <cstdint>
#include <vector>

namespace sdlora::data {

// `own_repeats`: of each picture, in order. They are taken with their own repeats until there are
// `training_count` or more, which leaves the last ones out (0); where they are too few, all are taken once
// more, again and again, in the same order, until there are just as many.
std::vector<int64_t> balanced_repeats(const std::vector<int64_t>& own_repeats, int64_t training_count);

}  // namespace sdlora::data
