// Files for readers that want a path: in memory, in a folder of this process alone.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace sdlora::fuzz {

// The folder, /dev/shm/sdlora-fuzz-PID; removed when the process ends in order.
const std::filesystem::path& folder();

// Replaces the file `name` in the folder; sub-folders are made.
std::filesystem::path write_file(const std::string& name, std::string_view bytes);

void remove_file(const std::string& name);

}  // namespace sdlora::fuzz
