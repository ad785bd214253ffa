#include "data/images/image_folder.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <set>
#include <string_view>

#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/text_list.h"
#include "data/images/image_header.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;

constexpr const char* kCaptionListName = "metadata.jsonl";
constexpr std::array kImageExtensions = {".png"sv, ".jpg"sv, ".jpeg"sv, ".webp"sv, ".bmp"sv};
constexpr std::array kOtherImageExtensions = {".gif"sv,  ".tif"sv, ".tiff"sv, ".avif"sv, ".heic"sv, ".heif"sv,
                                              ".jxl"sv,  ".jp2"sv, ".svg"sv,  ".psd"sv,  ".tga"sv,  ".exr"sv,
                                              ".ico"sv,  ".raw"sv, ".dng"sv,  ".cr2"sv,  ".nef"sv,  ".arw"sv,
                                              ".jfif"sv, ".ppm"sv, ".pgm"sv,  ".apng"sv};

template <size_t kCount>
bool is_one_of(const std::string& extension, const std::array<std::string_view, kCount>& extensions) {
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string lower_extension(const fs::path& path) {
  std::string extension = path.extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char letter) { return static_cast<char>(std::tolower(letter)); });
  return extension;
}

bool starts_like_image(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  char first[16] = {};
  stream.read(first, sizeof(first));
  return is_supported_image({first, static_cast<size_t>(stream.gcount())});
}

class FolderSearch {
 public:
  FolderSearch(const fs::path& root, const std::function<void()>& between_files)
      : root_(root), between_files_(between_files) {}

  void search(const fs::path& folder) {
    std::error_code error;
    if (!visited_.insert(fs::canonical(folder, error).string()).second) return;
    std::vector<fs::path> entries;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
      if (!entry->path().filename().string().starts_with('.')) entries.push_back(entry->path());
    if (error) skip(folder, "a folder that cannot be listed: " + error.message());
    std::sort(entries.begin(), entries.end());
    for (const fs::path& entry : entries) look_at(entry);
  }

  FoundImages take() {
    std::sort(found_.sources.begin(), found_.sources.end());
    std::sort(found_.skipped.begin(), found_.skipped.end(),
              [](const SkippedImage& left, const SkippedImage& right) { return left.source < right.source; });
    return std::move(found_);
  }

 private:
  void look_at(const fs::path& path) {
    if (between_files_) between_files_();
    const std::string extension = lower_extension(path);
    const bool has_image_name = is_one_of(extension, kImageExtensions);
    std::error_code error;
    const fs::file_type type = fs::status(path, error).type();
    if (type == fs::file_type::directory) {
      if (has_image_name)
        skip(path, "a folder, not a file");
      else
        search(path);
    } else if (type == fs::file_type::not_found) {
      skip_unless_gone(path);
    } else if (type != fs::file_type::regular) {
      if (has_image_name) skip(path, "not a regular file");
    } else if (path.filename() == kCaptionListName) {
      found_.caption_lists.push_back(source_of(path));
    } else if (is_one_of(extension, kOtherImageExtensions) && !starts_like_image(path)) {
      skip(path, extension.substr(1) + " files are not read: PNG, JPEG, WebP and BMP are");
    } else if (has_image_name || starts_like_image(path)) {
      take_in(path);
    }
  }

  void take_in(const fs::path& path) {
    const std::string source = source_of(path);
    if (valid_utf8(source) == source)
      found_.sources.push_back(source);
    else
      skip(path, "its name is not UTF-8");
  }

  void skip_unless_gone(const fs::path& path) {
    std::error_code error;
    if (fs::is_symlink(path, error)) skip(path, "a broken link");
  }

  void skip(const fs::path& path, const std::string& reason) {
    found_.skipped.push_back({valid_utf8(source_of(path)), reason});
  }

  std::string source_of(const fs::path& path) const {
    return path.lexically_relative(root_).generic_string();
  }

  fs::path root_;
  const std::function<void()>& between_files_;
  std::set<std::string> visited_;
  FoundImages found_;
};

}  // namespace

FoundImages find_images(const fs::path& folder, const std::function<void()>& between_files) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw Error(ExitCode::kUsage, {.what = "the image folder does not exist",
                                   .expected = "a folder with PNG, JPEG, WebP or BMP files",
                                   .where = folder.string(),
                                   .advice = "check --images"});
  FolderSearch search(folder, between_files);
  search.search(folder);
  return search.take();
}

std::string indented_list_of(const std::vector<SkippedImage>& images, size_t most_named) {
  std::vector<std::string> entries;
  entries.reserve(images.size());
  for (const SkippedImage& image : images) entries.push_back(image.source + ": " + image.reason);
  return indented_list(entries, most_named);
}

std::string valid_utf8(const std::string& text) {
  using Json = nlohmann::json;
  return Json::parse(Json(text).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

}  // namespace sdlora::data
