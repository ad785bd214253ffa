// The kinds of picture that are read: by a file's first bytes, and by its name.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace sdlora::data {

enum class ImageKind { kPng, kJpeg, kWebp, kBmp, kGif, kTiff, kHeic, kAvif, kJxl };

inline constexpr const char* kReadKinds = "PNG, JPEG, WebP, BMP, GIF, TIFF, HEIC, AVIF and JPEG XL";

// 18 bytes are enough, but for an AVIF whose main brand is HEIC's, too.
inline constexpr size_t kFirstBytes = 18;
std::optional<ImageKind> kind_of(std::string_view first_bytes);

// By the extension, in any case of letters. None: not a picture's.
std::optional<ImageKind> kind_by_name(const std::filesystem::path& file);

// "a JPEG"
std::string name_of(ImageKind kind);

// Of a file that is none of them, as far as it can be told: "a video".
std::string name_of_other_kind(std::string_view first_bytes);

// Whether the extension is that of a picture of a kind that is not read: .psd, .svg, .dng …
bool has_name_of_other_kind(const std::filesystem::path& file);

// "jpg" of "a/B.JPG"
std::string lower_extension(const std::filesystem::path& file);

}  // namespace sdlora::data
