#include "data/images/image_folder.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "common/error.h"
#include "common/text_list.h"
#include "common/utf8.h"
#include "data/images/image_kind.h"
#include "data/images/picture_mask.h"
#include "monitoring/records/run_files.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;

bool holds_picture(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  char first[kFirstBytes] = {};
  stream.read(first, sizeof(first));
  return kind_of({first, static_cast<size_t>(stream.gcount())}).has_value();
}

bool is_directory_of_a_run(const fs::path& folder) {
  std::error_code error;
  return fs::exists(folder / monitoring::kMetricsFileName, error) &&
         (fs::exists(folder / monitoring::kLockFileName, error) ||
          fs::exists(folder / monitoring::kAdapterFileName, error));
}

// What a model draws is not what one should learn.
bool is_previews_of_a_run(const fs::path& folder) {
  return folder.filename() == monitoring::kPreviewsFolderName && is_directory_of_a_run(folder.parent_path());
}

// Of a folder with a kind's name that is hardly meant as a folder's.
bool goes_by_an_image_name(const fs::path& folder) {
  const std::optional<ImageKind> kind = kind_by_name(folder);
  return kind == ImageKind::kPng || kind == ImageKind::kJpeg || kind == ImageKind::kWebp ||
         kind == ImageKind::kBmp;
}

class FolderSearch {
 public:
  FolderSearch(const fs::path& root, bool looks_below, const std::function<void()>& between_files)
      : root_(root), looks_below_(looks_below), between_files_(between_files) {}

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
    for (std::vector<SkippedImage>* left_out : {&found_.skipped, &found_.passed_over})
      std::sort(left_out->begin(), left_out->end(), [](const SkippedImage& left, const SkippedImage& right) {
        return left.source < right.source;
      });
    return std::move(found_);
  }

 private:
  void look_at(const fs::path& path) {
    if (between_files_) between_files_();
    const bool has_picture_name = kind_by_name(path).has_value();
    std::error_code error;
    const fs::file_type type = fs::status(path, error).type();
    if (type == fs::file_type::directory) {
      if (goes_by_an_image_name(path))
        skip(path, "a folder, not a file");
      else if (!looks_below_)
        pass_over(path, "a folder in an image_dir, of which only the pictures themselves are taken");
      else if (is_previews_of_a_run(path))
        pass_over(path, "the previews of a run of the trainer");
      else
        search(path);
    } else if (type == fs::file_type::not_found) {
      skip_unless_gone(path);
    } else if (type != fs::file_type::regular) {
      if (has_picture_name) skip(path, "not a regular file");
    } else if (std::count(kCaptionListNames.begin(), kCaptionListNames.end(), path.filename().string()) > 0) {
      found_.caption_lists.push_back(source_of(path));
    } else {
      look_at_file(path, has_picture_name);
    }
  }

  void look_at_file(const fs::path& path, bool has_picture_name) {
    if (has_picture_name && is_mask_file(path))
      pass_over(path, "a mask");
    else if (has_picture_name || (has_name_of_other_kind(path) && holds_picture(path)))
      take_in(path);
    else if (has_name_of_other_kind(path))
      skip(path, fmt::format("{} files are not read: {} are", lower_extension(path), kReadKinds));
    else if (holds_picture(path))
      pass_over(path, "a picture without a picture's extension");
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

  void pass_over(const fs::path& path, const std::string& reason) {
    found_.passed_over.push_back({valid_utf8(source_of(path)), reason});
  }

  void skip(const fs::path& path, const std::string& reason) {
    found_.skipped.push_back({valid_utf8(source_of(path)), reason});
  }

  std::string source_of(const fs::path& path) const {
    return path.lexically_relative(root_).generic_string();
  }

  fs::path root_;
  bool looks_below_;
  const std::function<void()>& between_files_;
  std::set<std::string> visited_;
  FoundImages found_;
};

}  // namespace

FoundImages find_images(const fs::path& folder, bool looks_below,
                        const std::function<void()>& between_files) {
  std::error_code error;
  if (!fs::is_directory(folder, error))
    throw Error(ExitCode::kUsage, {.what = "the image folder does not exist",
                                   .expected = fmt::format("a folder with {} files", kReadKinds),
                                   .where = folder.string(),
                                   .advice = "check --images, --reg-images, or image_dir"});
  FolderSearch search(folder, looks_below, between_files);
  search.search(folder);
  return search.take();
}

std::string indented_list_of(const std::vector<SkippedImage>& images, size_t most_named) {
  std::vector<std::string> entries;
  entries.reserve(images.size());
  for (const SkippedImage& image : images) entries.push_back(image.source + ": " + image.reason);
  return indented_list(entries, most_named);
}

}  // namespace sdlora::data
