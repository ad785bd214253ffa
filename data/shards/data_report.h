// What a person wants to know of a data set before training on it, as manifest.json keeps it under the name
// "report". No byte of a training depends on it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/json_text.h"

namespace sdlora::data {

inline constexpr const char* kReportName = "report";

struct DataReport {
  struct Tag {
    std::string tag;
    int64_t picture_count = 0;

    bool operator==(const Tag&) const = default;
  };

  int64_t empty_count = 0;   // pictures that have an empty caption
  int64_t shared_count = 0;  // pictures whose caption another has, too
  int64_t cut_count = 0;     // captions that are longer than what is read of them
  // Some of these: their beginning, and that of what is lost.
  std::vector<std::pair<std::string, std::string>> cut;
  std::vector<std::string> lost_lines;  // of caption lists, without a picture: some
  int64_t lost_line_count = 0;          // all
  std::vector<Tag> tags;  // the most frequent: parts of captions between commas, each once a picture
  // Pictures of the same content, some of them together; and how many there are beyond the first of each.
  std::vector<std::vector<std::string>> copies;
  int64_t copy_count = 0;

  bool operator==(const DataReport&) const = default;
};

// Nothing where there is none, or one that cannot be read.
template <typename Json>
std::optional<DataReport> report_in(const Json& json) {
  try {
    if (!json.contains(kReportName)) return std::nullopt;
    const Json& object = json.at(kReportName);
    DataReport report{
        .empty_count = whole_number(object.at("empty_captions")),
        .shared_count = whole_number(object.at("shared_captions")),
        .cut_count = whole_number(object.at("cut_captions")),
        .cut = object.at("cut").template get<std::vector<std::pair<std::string, std::string>>>(),
        .lost_lines = object.at("lost_lines").template get<std::vector<std::string>>(),
        .lost_line_count = whole_number(object.at("lost_line_count")),
        .copies = object.at("copies").template get<std::vector<std::vector<std::string>>>(),
        .copy_count = whole_number(object.at("copy_count"))};
    for (const Json& tag : object.at("tags"))
      report.tags.push_back({tag.at(0).template get<std::string>(), whole_number(tag.at(1))});
    return report;
  } catch (const typename Json::exception&) {
    return std::nullopt;
  }
}

template <typename Json>
void add_report(Json& json, const std::optional<DataReport>& report) {
  if (!report) return;
  Json tags = Json::array();
  for (const DataReport::Tag& tag : report->tags) tags.push_back({tag.tag, tag.picture_count});
  json[kReportName] = {{"empty_captions", report->empty_count},
                       {"shared_captions", report->shared_count},
                       {"cut_captions", report->cut_count},
                       {"cut", report->cut},
                       {"lost_lines", report->lost_lines},
                       {"lost_line_count", report->lost_line_count},
                       {"tags", std::move(tags)},
                       {"copies", report->copies},
                       {"copy_count", report->copy_count}};
}

}  // namespace sdlora::data
