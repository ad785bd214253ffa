// Small files that readers may open at any moment.
#pragma once

#include <filesystem>
#include <string_view>

namespace sdlora::monitoring {

// `file` holds either what it held or all of `text`, whenever it is read and whatever happens meanwhile: a
// temporary neighbour is written, flushed to the disk and renamed. Throws Error(kIo) naming the file.
void replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace sdlora::monitoring
