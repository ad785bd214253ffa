#include "monitoring/report/report.h"

#include <algorithm>
#include <ctime>
#include <optional>

#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "monitoring/records/metrics_history.h"
#include "monitoring/records/run_files.h"
#include "monitoring/report/report_page.h"
#include "monitoring/report/report_pictures.h"

namespace sdlora::monitoring {
namespace {

using OrderedJson = nlohmann::ordered_json;

constexpr size_t kMaxPoints = 2000;  // of a curve
constexpr size_t kMaxPreviewSteps = 12;
constexpr uint64_t kMaxPreviewBytes = uint64_t{24} << 20;

// [[step, value], …]
OrderedJson points_of(const Curve& curve) {
  OrderedJson points = OrderedJson::array();
  for (const CurvePoint& point : thin(curve, kMaxPoints)) points.push_back({point.step, point.value});
  return points;
}

OrderedJson curves_of(const MetricsHistory& history) {
  OrderedJson quarters = OrderedJson::array();
  for (const Curve& quarter : history.validation_quarters) quarters.push_back(points_of(quarter));
  std::vector<int64_t> skipped = history.skipped_steps;
  if (skipped.size() > kMaxPoints) skipped.resize(kMaxPoints);
  return {{"loss", points_of(history.loss)},
          {"smoothed_loss", points_of(history.smoothed_loss)},
          {"gradient_norm", points_of(history.gradient_norm)},
          {"learning_rate", points_of(history.learning_rate)},
          {"samples_per_second", points_of(history.samples_per_second)},
          {"validation_loss", points_of(history.validation_loss)},
          {"validation_quarters", std::move(quarters)},
          {"skipped_steps", std::move(skipped)}};
}

std::optional<double> lowest(const Curve& curve) {
  if (curve.empty()) return std::nullopt;
  return std::min_element(curve.begin(), curve.end(),
                          [](const auto& one, const auto& other) { return one.value < other.value; })
      ->value;
}

std::optional<double> median(const Curve& curve) {
  if (curve.empty()) return std::nullopt;
  std::vector<double> values;
  for (const CurvePoint& point : curve) values.push_back(point.value);
  const auto middle = values.begin() + static_cast<int64_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

OrderedJson or_null(const std::optional<double>& value) {
  return value ? OrderedJson(*value) : OrderedJson();
}

OrderedJson first_of(const Curve& curve) {
  return curve.empty() ? OrderedJson() : OrderedJson(curve.front().value);
}

OrderedJson last_of(const Curve& curve) {
  return curve.empty() ? OrderedJson() : OrderedJson(curve.back().value);
}

OrderedJson figures_of(const MetricsHistory& history) {
  return {{"recorded_steps", history.step_count},
          {"smoothing_steps", history.smoothing_steps},
          {"loss_last", last_of(history.smoothed_loss)},
          {"loss_best", or_null(lowest(history.smoothed_loss))},
          {"validation_first", first_of(history.validation_loss)},
          {"validation_last", last_of(history.validation_loss)},
          {"samples_per_second", or_null(median(history.samples_per_second))},
          {"training_seconds", history.training_seconds},
          {"validation_seconds", history.validation_seconds},
          {"skipped_steps", history.skipped_steps.size()}};
}

OrderedJson json_of(const std::vector<TableRow>& rows) {
  OrderedJson list = OrderedJson::array();
  for (const TableRow& row : rows) list.push_back({{"name", row.name}, {"value", row.text}});
  return list;
}

OrderedJson json_of(const std::vector<ReportSetting>& settings) {
  OrderedJson list = OrderedJson::array();
  for (const ReportSetting& setting : settings)
    list.push_back({{"name", setting.name}, {"value", setting.value}, {"default", setting.default_value}});
  return list;
}

OrderedJson json_of(const ReportPictures& previews) {
  OrderedJson pictures = OrderedJson::array();
  for (const ReportPicture& picture : previews.pictures)
    pictures.push_back({{"step", picture.step}, {"prompt", picture.prompt}, {"image", picture.data_uri}});
  return {{"all_step_count", previews.all_step_count},
          {"steps", previews.shown_steps},
          {"prompts", previews.prompts},
          {"pictures", std::move(pictures)}};
}

std::string now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  std::string text(64, '\0');
  text.resize(std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M %Z", &local));
  return text;
}

std::string escape_html(const std::string& text) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&')
      escaped += "&amp;";
    else if (c == '<')
      escaped += "&lt;";
    else if (c == '>')
      escaped += "&gt;";
    else if (c == '"')
      escaped += "&quot;";
    else
      escaped += c;
  }
  return escaped;
}

// JSON that may stand in a script element: no tag can begin in it. Bytes that are not UTF-8 are replaced.
std::string text_for_script(const OrderedJson& data) {
  const std::string text = data.dump(-1, ' ', /*ensure_ascii=*/false, OrderedJson::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text)
    if (c == '<')
      safe += "\\u003c";
    else
      safe += c;
  return safe;
}

void put_in_place(std::string& page, std::string_view mark, const std::string& text) {
  page.replace(page.find(mark), mark.size(), text);
}

}  // namespace

void write_report(const RunReport& report) {
  const std::string name = run_name(report.run_directory);
  const MetricsHistory history = read_metrics_history(report.run_directory / kMetricsFileName);
  const OrderedJson data{{"name", name},
                         {"state", report.state},
                         {"written", now_text()},
                         {"step", report.step},
                         {"max_steps", report.max_steps},
                         {"parameter_count", report.parameter_count},
                         {"max_gradient_norm", report.max_gradient_norm},
                         {"figures", figures_of(history)},
                         {"curves", curves_of(history)},
                         {"run_rows", json_of(report.run_rows)},
                         {"data_rows", json_of(report.data_rows)},
                         {"captions", report.captions},
                         {"settings", json_of(report.settings)},
                         {"previews", json_of(read_report_pictures(report.run_directory / kPreviewsFolderName,
                                                                   kMaxPreviewSteps, kMaxPreviewBytes))}};
  std::string page(report_page());
  put_in_place(page, kReportDataMark, text_for_script(data));
  put_in_place(page, kReportTitleMark, escape_html(name));
  write_text_atomically(report.run_directory / "report.html", page);
}

}  // namespace sdlora::monitoring
