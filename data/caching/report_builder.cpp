#include "data/caching/report_builder.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/shown_text.h"
#include "data/captions/caption_tags.h"

namespace sdlora::data {
namespace {

constexpr size_t kTagsKept = 20;
constexpr size_t kGroupsKept = 100;
constexpr size_t kNamesKept = 20;
constexpr size_t kGroupsShown = 5;
constexpr size_t kNamesShown = 10;
constexpr size_t kReasonsShown = 10;
constexpr size_t kShownWordsBytes = 120;
constexpr size_t kShownTagBytes = 60;

std::set<int64_t> captions_of(const PlannedSample& sample) {
  std::set<int64_t> rows = {sample.caption_index};
  rows.insert(sample.other_captions.begin(), sample.other_captions.end());
  return rows;
}

std::vector<DataReport::Tag> most_frequent(const std::map<std::string, int64_t>& counts) {
  std::vector<DataReport::Tag> tags;
  tags.reserve(counts.size());
  for (const auto& [tag, count] : counts) tags.push_back({tag, count});
  std::stable_sort(tags.begin(), tags.end(), [](const DataReport::Tag& left, const DataReport::Tag& right) {
    return left.picture_count > right.picture_count;
  });
  tags.resize(std::min(tags.size(), kTagsKept));
  return tags;
}

void add_captions(const std::vector<PlannedSample>& samples, const std::vector<std::string>& captions,
                  DataReport& report) {
  std::vector<int64_t> pictures_with(captions.size(), 0);
  std::map<std::string, int64_t> tag_counts;
  for (const PlannedSample& sample : samples) {
    std::set<std::string> tags;
    for (const int64_t row : captions_of(sample)) {
      ++pictures_with[static_cast<size_t>(row)];
      tags.merge(caption_tags(captions[static_cast<size_t>(row)]));
    }
    for (const std::string& tag : tags) ++tag_counts[tag];
  }
  for (const PlannedSample& sample : samples) {
    const std::set<int64_t> rows = captions_of(sample);
    report.empty_count += rows.contains(0) ? 1 : 0;
    const bool is_shared = std::any_of(rows.begin(), rows.end(), [&](int64_t row) {
      return row != 0 && pictures_with[static_cast<size_t>(row)] > 1;
    });
    report.shared_count += is_shared ? 1 : 0;
  }
  report.tags = most_frequent(tag_counts);
}

void add_copies(const std::vector<PlannedSample>& samples, DataReport& report) {
  std::map<std::string, std::vector<std::string>> by_content;
  for (const PlannedSample& sample : samples) by_content[sample.source_sha256].push_back(sample.source);
  for (const auto& [sha256, sources] : by_content) {
    if (sources.size() < 2) continue;
    report.copy_count += static_cast<int64_t>(sources.size()) - 1;
    report.copies.push_back(sources);
    report.copies.back().resize(std::min(sources.size(), kNamesKept));
  }
  std::sort(report.copies.begin(), report.copies.end());  // by name, not by hash
  report.copies.resize(std::min(report.copies.size(), kGroupsKept));
}

// "damaged: 3 of 7 bytes" and "damaged: 4 of 9 bytes" are one reason.
std::string without_numbers(const std::string& reason) {
  std::string text;
  for (const char letter : reason)
    if (letter < '0' || letter > '9')
      text += letter;
    else if (text.empty() || text.back() != '#')
      text += '#';
  return text;
}

std::string left_out_by_reason(const std::vector<SkippedImage>& skipped) {
  std::map<std::string, std::pair<int64_t, std::string>> by_kind;  // how many, and the first one's words
  for (const SkippedImage& image : skipped) {
    auto& [count, words] = by_kind[without_numbers(image.reason)];
    if (count++ == 0) words = image.reason;
  }
  std::vector<std::pair<int64_t, std::string>> reasons;
  reasons.reserve(by_kind.size());
  for (const auto& [kind, reason] : by_kind) reasons.push_back(reason);
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& left, const auto& right) { return left.first > right.first; });
  std::vector<std::string> parts;
  for (const auto& [count, words] : reasons)
    if (parts.size() < kReasonsShown)
      parts.push_back(fmt::format("{} x {}", count, shown_line(words, kShownWordsBytes)));
  if (reasons.size() > parts.size())
    parts.push_back(fmt::format("{} other reasons", reasons.size() - parts.size()));
  return fmt::format("{}", fmt::join(parts, "; "));
}

// "a, b, …"
std::string named(const std::vector<std::string>& names, int64_t count, const char* between) {
  std::vector<std::string> shown;
  for (const std::string& name : names)
    if (shown.size() < kNamesShown) shown.push_back(shown_line(name, kShownWordsBytes));
  if (count > static_cast<int64_t>(shown.size())) shown.emplace_back("…");
  return fmt::format("{}", fmt::join(shown, between));
}

}  // namespace

DataReport report_on(const std::vector<PlannedSample>& samples, const std::vector<std::string>& captions,
                     const LongCaptions& long_captions, const std::vector<std::string>& lost_lines) {
  DataReport report{.cut_count = long_captions.count,
                    .cut = long_captions.first,
                    .lost_lines = lost_lines,
                    .lost_line_count = static_cast<int64_t>(lost_lines.size())};
  report.lost_lines.resize(std::min(lost_lines.size(), kNamesKept));
  add_captions(samples, captions, report);
  add_copies(samples, report);
  return report;
}

std::string report_lines(const Manifest& manifest) {
  std::string text;
  const auto line = [&text](const char* name, const std::string& value) {
    text += fmt::format("{:<20}{}\n", name, value);
  };
  if (!manifest.skipped.empty()) line("left out", left_out_by_reason(manifest.skipped));
  if (!manifest.report) return text;
  const DataReport& report = *manifest.report;
  line("captions",
       fmt::format("{} different; {} pictures have an empty one, {} one that another has, too; {} "
                   "are longer than what is read of them",
                   manifest.text.row_count - 1, report.empty_count, report.shared_count, report.cut_count));
  for (size_t caption = 0; caption < std::min(report.cut.size(), kGroupsShown); ++caption)
    line(caption == 0 ? "words that are cut" : "", shown_line(report.cut[caption].second, kShownWordsBytes));
  std::vector<std::string> tags;
  for (const DataReport::Tag& tag : report.tags)
    tags.push_back(fmt::format("{} {}", shown_line(tag.tag, kShownTagBytes), tag.picture_count));
  if (!tags.empty()) line("most frequent tags", fmt::format("{}", fmt::join(tags, ", ")));
  if (report.lost_line_count > 0)
    line("no such picture",
         fmt::format("{} lines of caption lists name one that is not there: {}", report.lost_line_count,
                     named(report.lost_lines, report.lost_line_count, ", ")));
  if (report.copy_count == 0) return text;
  line("same content", fmt::format("{} pictures are copies of others", report.copy_count));
  for (size_t group = 0; group < std::min(report.copies.size(), kGroupsShown); ++group)
    line("", named(report.copies[group], static_cast<int64_t>(report.copies[group].size()), " = "));
  return text;
}

}  // namespace sdlora::data
