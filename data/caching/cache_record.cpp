#include "data/caching/cache_record.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

CacheRecord record_of(const Manifest& manifest) {
  CacheRecord record;
  for (const ManifestFile& shard : manifest.shards) record.add(shard);
  record.add(manifest.text);
  for (const SkippedImage& image : manifest.skipped) record.left_out[image.source] = image.reason;
  return record;
}

CacheRecord record_of(const Json& journal) {
  CacheRecord record;
  if (journal.at("format_version").get<int64_t>() != kFormatVersion) return record;
  for (const Json& file : journal.at("files"))
    record.add({.name = file.at("name"),
                .bytes = file.at("bytes"),
                .sha256 = file.at("sha256"),
                .row_count = file.at("rows")});
  record.left_out = journal.at("left_out").get<std::map<std::string, std::string>>();
  return record;
}

}  // namespace

CacheRecord read_record(const fs::path& cache_directory) {
  try {
    return record_of(read_manifest(cache_directory));
  } catch (const Error&) {  // not finished; the journal may know more
  }
  std::error_code error;
  const fs::path journal = cache_directory / kJournalName;
  if (!fs::is_regular_file(journal, error)) return {};
  try {
    return record_of(Json::parse(read_text(journal)));
  } catch (const Json::exception&) {
    return {};
  }
}

void remove_damaged(const fs::path& cache_directory, CacheRecord& record) {
  std::erase_if(record.files, [&](const auto& entry) {
    const fs::path file = cache_directory / entry.first;
    std::error_code error;
    if (!fs::exists(file, error)) return true;
    try {
      check_file(cache_directory, entry.second);
      return false;
    } catch (const Error& damage) {
      log::warning(fmt::format("{} is made anew: {}", file.string(), damage.what()));
      fs::remove(file, error);
      return true;
    }
  });
}

void write_journal(const fs::path& cache_directory, const CacheRecord& record) {
  Json json = {{"format_version", kFormatVersion}, {"files", Json::array()}, {"left_out", record.left_out}};
  for (const auto& [name, file] : record.files)
    json["files"].push_back(
        {{"name", name}, {"bytes", file.bytes}, {"sha256", file.sha256}, {"rows", file.row_count}});
  write_text_atomically(cache_directory / kJournalName, json.dump(1) + "\n");
}

}  // namespace sdlora::data
