#include "launcher/supervisor/run_progress.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>

#include <nlohmann/json.hpp>

#include "checkpoint/checkpoint_store.h"
#include "monitoring/records/run_files.h"

namespace sdlora::launcher {
namespace {

constexpr std::string_view kLauncherPrefix = "launcher.";
constexpr std::streamoff kTailBytes = 64 * 1024;  // a line has some hundred

// The highest step among the last lines: lines stand in ascending order, and the last one may be torn.
int64_t last_step_in(const std::filesystem::path& metrics) {
  std::ifstream file(metrics, std::ios::binary | std::ios::ate);
  if (!file) return 0;
  file.seekg(std::max<std::streamoff>(0, static_cast<std::streamoff>(file.tellg()) - kTailBytes));
  int64_t last_step = 0;
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object() || !record.contains("step") || !record["step"].is_number_integer()) continue;
    last_step = std::max(last_step, record["step"].get<int64_t>());
  }
  return last_step;
}

int64_t step_of(const std::string& name) {
  if (!name.starts_with(checkpoint::kCheckpointPrefix)) return 0;
  int64_t step = 0;
  const char* const end = name.data() + name.size();
  const auto parsed = std::from_chars(name.data() + checkpoint::kCheckpointPrefix.size(), end, step);
  return parsed.ec == std::errc() && parsed.ptr == end ? step : 0;
}

}  // namespace

RunProgress read_progress(const std::filesystem::path& output) {
  RunProgress progress{.last_step = last_step_in(output / monitoring::kMetricsFileName),
                       .checkpoint_step = 0};
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(output, ignored))
    progress.checkpoint_step = std::max(progress.checkpoint_step, step_of(entry.path().filename().string()));
  return progress;
}

std::filesystem::file_time_type newest_sign_of_life(const std::filesystem::path& output) {
  auto newest = std::filesystem::file_time_type::min();
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(output, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(kLauncherPrefix) || name == "attempts.jsonl") continue;
    const auto changed = std::filesystem::last_write_time(entry.path(), ignored);
    if (!ignored) newest = std::max(newest, changed);
  }
  return newest;
}

}  // namespace sdlora::launcher
