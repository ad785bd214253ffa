// The bytes of one image file, and the quick look that decides whether it is worth decoding.
#pragma once

#include <filesystem>
#include <string>

#include "data/images/picture_size.h"

namespace sdlora::data {

// Throws UnusableImage: it cannot be read (with the system's reason), or is larger than 512 MiB.
std::string read_image_file(const std::filesystem::path& file);

// The same of a picture's mask, which the reason says.
std::string read_mask_file(const std::filesystem::path& file);

// Whether a reason is that the file could not be read: that may be the moment's fault, and worth another try.
bool is_unreadable(const std::string& reason);

struct InspectedImage {
  std::string sha256;           // of the file's bytes; empty when it cannot be read
  std::string unusable_reason;  // empty when the file looks usable
  std::string other_kind;       // what it is, where its name says another kind: "a JPEG"
  PictureSize size;             // upright, as the header has it
};

// Reads the file, hashes it and checks its header (image_header.h); decodes nothing.
InspectedImage inspect_image(const std::filesystem::path& file);

}  // namespace sdlora::data
