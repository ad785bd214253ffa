// Reads a text file in both ways, which must agree.
#pragma once

#include <cstdlib>
#include <filesystem>

#include <ATen/ATen.h>

#include "data/shards/text_file.h"

namespace sdlora::fuzz {

inline void read_text_rows(const std::filesystem::path& file) {
  data::TextFile text(file);
  text.check_rows();
  for (int64_t row = 0; row < text.shape()[0]; ++row)
    if (!at::equal(text.read_row(row), text.read_checked_row(row))) std::abort();
}

}  // namespace sdlora::fuzz
