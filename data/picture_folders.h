// Of which folders the pictures of a data set are, and what their captions say: what an adapter's file tells
// about what it has learnt from.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.h"

namespace sdlora::data {

struct PictureFolder {
  std::string name;  // of the subset or kohya's folder, "10_sks dog"; empty: the pictures are of no such one
  bool is_reg = false;
  int64_t repeats = 1;  // of a picture in an epoch; where they differ, the most
  int64_t picture_count = 0;
  std::map<std::string, int64_t> tags = {};  // in how many of the pictures' captions, in lower case (ASCII's)
};

// Of `samples` (indices in the data set), a picture and its mirror image once. In the order of the samples.
std::vector<PictureFolder> picture_folders(const Dataset& dataset, const std::vector<int64_t>& samples);

// The tags that all pictures have which are no regularisation's: with these words the adapter is called. In
// alphabetical order.
std::vector<std::string> shared_tags(const std::vector<PictureFolder>& folders);

}  // namespace sdlora::data
