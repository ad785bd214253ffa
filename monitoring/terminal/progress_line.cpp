#include "monitoring/terminal/progress_line.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <fmt/format.h>

namespace sdlora::monitoring {
namespace {

constexpr int kWidestBar = 30;
constexpr int kNarrowestBar = 6;

double fraction_of(const Progress& progress) {
  if (progress.total <= 0) return 0;
  return std::clamp(static_cast<double>(progress.done) / static_cast<double>(progress.total), 0.0, 1.0);
}

int percent_of(const Progress& progress) {
  return static_cast<int>(fraction_of(progress) * 100);
}

std::string count_text(const Progress& progress) {
  if (progress.total <= 0) return fmt::format("{} {}", progress.done, progress.unit);
  return fmt::format("{}/{} {}", progress.done, progress.total, progress.unit);
}

// Slow work reads better the other way round.
std::string rate_text(const Progress& progress) {
  const double rate = progress.units_per_second;
  if (rate <= 0) return "";
  return rate < 0.1 ? fmt::format("{:.1f} s each", 1 / rate)
                    : fmt::format("{:.2f} {}/s", rate, progress.unit);
}

std::string time_left_text(const Progress& progress) {
  const int64_t units_left = progress.total - progress.done;
  if (progress.total <= 0 || units_left <= 0 || progress.units_per_second <= 0) return "";
  return duration_text(static_cast<double>(units_left) / progress.units_per_second) + " left";
}

std::string without_control_characters(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; }, ' ');
  return text;
}

bool starts_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) != 0x80;
}  // UTF-8

int width_of(const std::string& text) {
  return static_cast<int>(std::count_if(text.begin(), text.end(), starts_character));
}

std::string cut_to_width(const std::string& text, int columns) {
  size_t end = 0;
  for (int width = 0; end < text.size(); ++end)
    if (starts_character(text[end]) && ++width > columns) break;
  return text.substr(0, end);
}

std::string bar_of(double fraction, int inner_width) {
  const int filled = static_cast<int>(fraction * inner_width);
  std::string bar(inner_width, ' ');
  std::fill_n(bar.begin(), filled, '=');
  if (filled > 0 && filled < inner_width) bar[filled] = '>';
  return "[" + bar + "]";
}

struct Part {
  std::string text;
  int importance;
};

std::string joined(const std::vector<Part>& parts, const std::string& separator) {
  std::string line;
  for (const Part& part : parts) line += (line.empty() ? "" : separator) + part.text;
  return line;
}

}  // namespace

std::string duration_text(double seconds) {
  const auto whole = static_cast<int64_t>(std::clamp(seconds, 0.0, 1e9));
  const int64_t days = whole / 86400, hours = whole / 3600 % 24, minutes = whole / 60 % 60;
  if (days > 0) return fmt::format("{} d {:02}:{:02}:{:02}", days, hours, minutes, whole % 60);
  if (hours > 0) return fmt::format("{}:{:02}:{:02}", hours, minutes, whole % 60);
  return fmt::format("{:02}:{:02}", minutes, whole % 60);
}

std::string terminal_line(const Progress& progress, int columns) {
  const bool has_total = progress.total > 0;
  std::vector<Part> parts{{progress.title, 3},
                          {has_total ? fmt::format("{:3} %", percent_of(progress)) : "", 6},
                          {count_text(progress), 7},
                          {rate_text(progress), 2},
                          {duration_text(progress.elapsed_seconds) + " gone", 1},
                          {time_left_text(progress), 5},
                          {without_control_characters(progress.tail), 4}};
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  const auto by_importance = [](const Part& a, const Part& b) { return a.importance < b.importance; };
  while (parts.size() > 1 && width_of(joined(parts, "  ")) > columns)
    parts.erase(std::min_element(parts.begin(), parts.end(), by_importance));

  const int bar_room =
      std::min(columns - width_of(joined(parts, "  ")) - 4, kWidestBar);  // 4: brackets, separator
  const auto percent =
      std::find_if(parts.begin(), parts.end(), [](const Part& part) { return part.importance == 6; });
  if (percent != parts.end() && bar_room >= kNarrowestBar)
    parts.insert(percent + 1, {bar_of(fraction_of(progress), bar_room), 0});
  return cut_to_width(joined(parts, "  "), columns);
}

std::string plain_line(const Progress& progress) {
  std::vector<Part> parts{
      {count_text(progress) + (progress.total > 0 ? fmt::format(" ({} %)", percent_of(progress)) : ""), 0},
      {rate_text(progress), 0},
      {duration_text(progress.elapsed_seconds) + " gone", 0},
      {time_left_text(progress), 0},
      {without_control_characters(progress.tail), 0}};
  std::erase_if(parts, [](const Part& part) { return part.text.empty(); });
  return progress.title + ": " + joined(parts, ", ");
}

}  // namespace sdlora::monitoring
