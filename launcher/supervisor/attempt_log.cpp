#include "launcher/supervisor/attempt_log.h"

#include <algorithm>
#include <array>
#include <climits>
#include <fstream>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "common/error.h"
#include "common/host.h"

namespace sdlora::launcher {
namespace {

std::filesystem::path file_in(const std::filesystem::path& output) {
  return output / "attempts.jsonl";
}

std::string in_utc(std::chrono::system_clock::time_point time) {
  return fmt::format("{:%FT%T}Z", std::chrono::floor<std::chrono::milliseconds>(time));
}

}  // namespace

int64_t next_attempt(const std::filesystem::path& output) {
  int64_t highest = 0;
  std::ifstream file(file_in(output));
  for (std::string line; std::getline(file, line);) {
    const auto record = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object() && record.contains("attempt") && record["attempt"].is_number_integer())
      highest = std::max(highest, record["attempt"].get<int64_t>());
  }
  return highest + 1;
}

void append_attempt(const std::filesystem::path& output, const AttemptRecord& record) {
  nlohmann::ordered_json line;
  line["attempt"] = record.attempt;
  line["host"] = host_name();
  line["start"] = in_utc(record.start);
  line["end"] = in_utc(record.end);
  line["seconds"] = std::chrono::duration<double>(record.end - record.start).count();
  line["exit_code"] = record.exit_code;
  line["reason"] = record.reason;
  line["first_step"] = record.first_checkpoint_step;
  line["step"] = record.progress.last_step;
  line["checkpoint_step"] = record.progress.checkpoint_step;
  line["next"] = record.next;
  std::ofstream file(file_in(output), std::ios::app);
  file << line.dump() << std::endl;
  if (!file)
    throw io_error("cannot write the log of attempts", file_in(output),
                   "check the directory's permissions and the free space");
}

}  // namespace sdlora::launcher
