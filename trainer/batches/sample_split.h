// Which samples are trained on, and which are held out for validation.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace sdlora::trainer {

struct SampleSplit {
  std::vector<int64_t> training;  // indices in the data set, ascending
  std::vector<int64_t> held_out;  // likewise; the two have no picture in common
};

// Holds out `fraction` of the pictures, rounded, but at least one and never all; 0: none. Regularisation
// pictures (`is_reg`, by picture; empty: none is) are never held out, nor counted; pictures of the same
// content
// (`content`, by picture; empty: all differ) count once, and go together. They are the first others
// of torch.randperm(picture_count, generator=torch.Generator().manual_seed(seed_of(0, 0, 0, kHeldOut))): a
// function of the data alone, so that runs of several seeds are judged by the same pictures. With `has_flip`
// sample picture_count + i is the mirror image of sample i (data/dataset.h) and goes where that one goes.
// Throws Error(kUsage) when a single picture is to be split.
SampleSplit split_samples(int64_t picture_count, bool has_flip, double fraction,
                          const std::vector<bool>& is_reg = {}, const std::vector<std::string>& content = {});

}  // namespace sdlora::trainer
