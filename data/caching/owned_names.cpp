#include "data/caching/owned_names.h"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include "common/atomic_file.h"
#include "data/shards/shard_format.h"
#include "monitoring/metrics/scrape_endpoints.h"

namespace sdlora::data {
namespace {

constexpr std::string_view kPreviousSuffix = ".previous";
constexpr std::string_view kPartialSuffix = ".partial";
constexpr std::string_view kShardStart = "shard-";
constexpr std::string_view kShardEnd = ".h5";
constexpr size_t kFewestShardDigits = 5;

bool is_number(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char letter) { return letter >= '0' && letter <= '9'; });
}

bool is_shard_name(std::string_view name) {
  if (!name.starts_with(kShardStart) || !name.ends_with(kShardEnd)) return false;
  const std::string_view number =
      name.substr(kShardStart.size(), name.size() - kShardStart.size() - kShardEnd.size());
  return number.size() >= kFewestShardDigits && is_number(number);
}

// "text.h5.partial" of "text.h5.partial-7"; all else as it is.
std::string_view without_number(std::string_view name) {
  const size_t dash = name.rfind('-');
  if (dash == std::string_view::npos || !name.starts_with(kTextFileName) ||
      !name.substr(0, dash).ends_with(kPartialSuffix))
    return name;
  const std::string_view number = name.substr(dash + 1);
  return is_number(number) && number[0] != '0' ? name.substr(0, dash) : name;
}

NameKind kind_of_plain_name(const std::string& name) {
  if (name == kManifestName) return NameKind::kManifest;
  if (name == kJournalName) return NameKind::kJournal;
  if (name == kLockName) return NameKind::kLock;
  if (name == kScanName) return NameKind::kScan;
  if (name == monitoring::kMetricsTargetsFile) return NameKind::kTargets;
  return is_finished_data_name(finished_name(name)) ? NameKind::kData : NameKind::kForeign;
}

}  // namespace

bool is_finished_data_name(const std::string& name) {
  return name == kTextFileName || is_shard_name(name);
}

std::string previous_name(const std::string& name) {
  return std::string(name).append(kPreviousSuffix);
}

std::string partial_name(const std::string& name, int64_t number) {
  return number == 0 ? fmt::format("{}{}", name, kPartialSuffix)
                     : fmt::format("{}{}-{}", name, kPartialSuffix, number);
}

bool is_previous_name(const std::string& name) {
  return name.ends_with(kPreviousSuffix);
}

bool is_partial_name(const std::string& name) {
  return without_number(name).ends_with(kPartialSuffix);
}

std::string finished_name(const std::string& name) {
  if (name.ends_with(kPreviousSuffix)) return name.substr(0, name.size() - kPreviousSuffix.size());
  const std::string_view numberless = without_number(name);
  if (!numberless.ends_with(kPartialSuffix)) return name;
  return name.substr(0, numberless.size() - kPartialSuffix.size());
}

NameKind kind_of_name(const std::string& name) {
  const size_t mark = name.starts_with('.') ? name.rfind(kTemporaryMark) : std::string::npos;
  if (mark == std::string::npos) return kind_of_plain_name(name);
  const bool is_ours = is_number(std::string_view(name).substr(mark + kTemporaryMark.size())) &&
                       kind_of_plain_name(name.substr(1, mark - 1)) != NameKind::kForeign;
  return is_ours ? NameKind::kTemporary : NameKind::kForeign;
}

}  // namespace sdlora::data
