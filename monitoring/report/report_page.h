// The page of report.html, embedded when the program is built (report/embed.cmake).
#pragma once

#include <string_view>

namespace sdlora::monitoring {

// HTML with two marks in it: kReportTitleMark, where the escaped title goes, and kReportDataMark, where the
// data goes, as JSON without a `<`.
std::string_view report_page();

inline constexpr std::string_view kReportTitleMark = "{{title}}";
inline constexpr std::string_view kReportDataMark = "{{data}}";

}  // namespace sdlora::monitoring
