#include "data/caching/shrinkage.h"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "common/error.h"
#include "common/log.h"
#include "common/text_list.h"

namespace sdlora::data {
namespace {

constexpr size_t kNamedInAWarning = 5;

std::string counted(size_t count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string with_names(const std::string& sentence, const std::vector<std::string>& names,
                       size_t most_named) {
  return most_named == 0 ? sentence : sentence + ":" + indented_list(names, most_named);
}

std::string sentence_of_empty_captions(const Shrinkage& shrinkage) {
  std::string sentence = counted(shrinkage.empty_captions.size(), "caption is empty", "captions are empty");
  if (shrinkage.emptied_count == 0) return sentence;
  return fmt::format("{} ({} had words in the last run)", sentence, shrinkage.emptied_count);
}

// What was renamed is among these; a picture that was there twice and is there once is not.
std::set<std::string> contents_under_new_names(const PreviousCache& previous, const CachePlan& plan) {
  std::set<std::string> old_names;
  for (const PreviousPicture& picture : previous.pictures) old_names.insert(picture.source);
  std::set<std::string> contents;
  for (const PlannedShard& shard : plan.shards)
    for (const PlannedSample& sample : shard.samples)
      if (!old_names.contains(sample.source)) contents.insert(sample.source_sha256);
  return contents;
}

[[noreturn]] void fail_strictly(const std::vector<std::string>& seen, const char* advice) {
  throw Error(ExitCode::kBadData, {.what = "something is left out, which --strict forbids",
                                   .seen = indented_list(seen),
                                   .advice = advice});
}

std::vector<std::string> lines_of(const std::vector<SkippedImage>& skipped) {
  if (skipped.empty()) return {};
  return {counted(skipped.size(), "file is", "files are") + " skipped:" + indented_list_of(skipped)};
}

}  // namespace

Shrinkage find_shrinkage(const PreviousCache& previous, const CacheInputs& inputs) {
  const PlannedPictures now(inputs.plan);
  const std::set<std::string> under_new_names = contents_under_new_names(previous, inputs.plan);
  std::set<std::string> known;
  for (const SkippedImage& image : inputs.plan.skipped) known.insert(image.source);
  known.insert(inputs.not_needed.begin(), inputs.not_needed.end());
  Shrinkage shrinkage{.lines_without_picture = inputs.lines_without_picture,
                      .empty_captions = inputs.empty_captions};
  const std::set<std::string> empty(inputs.empty_captions.begin(), inputs.empty_captions.end());
  for (const PreviousPicture& picture : previous.pictures) {
    const bool is_there = now.caption_of(picture.source) || under_new_names.contains(picture.source_sha256);
    if (!known.insert(picture.source).second) continue;
    if (!is_there) shrinkage.gone_pictures.push_back(picture.source);
    if (empty.contains(picture.source) && picture.caption && !picture.caption->empty())
      ++shrinkage.emptied_count;
  }
  std::sort(shrinkage.gone_pictures.begin(), shrinkage.gone_pictures.end());
  return shrinkage;
}

std::vector<std::string> sentences_of(const Shrinkage& shrinkage, size_t most_named) {
  std::vector<std::string> sentences;
  const auto add = [&](const std::string& sentence, const std::vector<std::string>& names) {
    if (!names.empty()) sentences.push_back(with_names(sentence, names, most_named));
  };
  add(counted(shrinkage.gone_pictures.size(), "picture of the last run is gone",
              "pictures of the last run are gone"),
      shrinkage.gone_pictures);
  add(counted(shrinkage.lines_without_picture.size(), "line of a caption list has no picture",
              "lines of caption lists have no picture"),
      shrinkage.lines_without_picture);
  add(sentence_of_empty_captions(shrinkage), shrinkage.empty_captions);
  return sentences;
}

void warn_of_shrinkage(const Shrinkage& shrinkage, const std::vector<SkippedImage>& skipped, bool is_strict) {
  std::vector<std::string> seen = sentences_of(shrinkage, kNamedInAWarning);
  if (is_strict) {
    const std::vector<std::string> lines = lines_of(skipped);
    seen.insert(seen.end(), lines.begin(), lines.end());
    if (!seen.empty())
      fail_strictly(seen, "mend it, or run without --strict to go on without it; nothing was changed");
  }
  for (const std::string& sentence : seen) log::warning(sentence);
}

void refuse_skipped(const std::vector<SkippedImage>& skipped) {
  if (!skipped.empty())
    fail_strictly(lines_of(skipped), "mend or remove these; the cache is complete but for them");
}

}  // namespace sdlora::data
