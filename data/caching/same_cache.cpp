#include "data/caching/same_cache.h"

#include <fmt/format.h>

#include "common/error.h"
#include "common/text_list.h"

namespace sdlora::data {
namespace {

constexpr int64_t kAlmostNone = 20;  // less than one in so many, of the old and of the new pictures
constexpr const char* kWaysOut = "choose another --output, or give --rebuild to replace this one";

// The same content, or a picture that was edited: of the same name and with the same caption.
bool is_still_there(const PreviousPicture& picture, const PlannedPictures& now) {
  if (now.has_content(picture.source_sha256)) return true;
  const auto caption = now.caption_of(picture.source);
  return caption && (!picture.caption || *picture.caption == *caption);
}

// Empty for the same set of pictures.
std::string difference_of_pictures(const PreviousCache& previous, const PlannedPictures& now,
                                   int64_t picture_count) {
  const auto previous_count = static_cast<int64_t>(previous.pictures.size());
  int64_t remaining = 0;
  for (const PreviousPicture& picture : previous.pictures) remaining += is_still_there(picture, now) ? 1 : 0;
  const bool is_same = previous_count == 0 || (remaining > 0 && (remaining * kAlmostNone >= previous_count ||
                                                                 remaining * kAlmostNone >= picture_count));
  if (is_same) return "";
  return fmt::format("the pictures: {} of the {} that it holds {} among the {} to be cached",
                     remaining == 0 ? "none" : fmt::format("only {}", remaining), previous_count,
                     remaining > 1 ? "are" : "is", picture_count);
}

}  // namespace

bool is_another_cache(const CacheRecord& record, const PreviousCache& previous, const CachePlan& plan,
                      const CacheOptions& options) {
  if (record.files.empty()) return false;  // nothing to lose
  std::vector<std::string> differences = previous.differences;
  const std::string other_pictures =
      difference_of_pictures(previous, PlannedPictures(plan), plan.picture_count());
  if (!other_pictures.empty()) differences.push_back(other_pictures);
  if (differences.empty() || options.may_replace) return !differences.empty();
  throw Error(ExitCode::kMismatch, {.what = fmt::format("the output directory holds another {}cache",
                                                        record.is_finished ? "" : "(unfinished) "),
                                    .expected = "a cache made with the same settings, model and pictures",
                                    .seen = indented_list(differences),
                                    .where = options.output.string(),
                                    .advice = kWaysOut});
}

void refuse_newer_format(const CacheRecord& record, const CacheOptions& options) {
  if (record.newest_format <= kFormatVersion || options.may_replace) return;
  throw Error(ExitCode::kMismatch, {.what = "the output directory holds a cache of a newer program",
                                    .expected = fmt::format("format version {} or older", kFormatVersion),
                                    .seen = fmt::format("format version {}", record.newest_format),
                                    .where = options.output.string(),
                                    .advice = fmt::format("use that program, {}", kWaysOut)});
}

}  // namespace sdlora::data
