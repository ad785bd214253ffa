#include "checkpoint/checkpoint_manifest.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/printable.h"
#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/posix_file.h"

namespace sdlora::checkpoint {
namespace {

constexpr int64_t kFormatVersion = 1;
constexpr uint64_t kMaximumManifestBytes = 1 << 20;

[[noreturn]] void refuse(const std::string& what, const std::string& expected, const std::string& seen,
                         const std::filesystem::path& file) {
  throw Error(
      ExitCode::kBadData,
      {.what = what, .expected = printable(expected), .seen = printable(seen), .where = file.string()});
}

uint64_t bytes_of(const std::filesystem::path& file) {
  return PosixFile::open_to_read(file).byte_count();
}

nlohmann::json read_manifest(const std::filesystem::path& file) {
  if (!std::filesystem::exists(file))
    refuse("the checkpoint is not complete", kManifestName, "no such file", file);
  if (bytes_of(file) > kMaximumManifestBytes) {
    refuse("the checkpoint's manifest is damaged", "at most 1 MiB", fmt::format("{} bytes", bytes_of(file)),
           file);
  }
  auto manifest = parse_json_or_discard(read_text(file));
  if (!manifest.is_object())
    refuse("the checkpoint's manifest is damaged", "a JSON object", "something else", file);
  return manifest;
}

void verify_file(const std::filesystem::path& file, const nlohmann::json& record) {
  if (!std::filesystem::exists(file)) refuse("the checkpoint lacks a file", "the file", "no such file", file);
  const auto expected_bytes = whole_number(record.at("bytes"));
  const auto seen_bytes = static_cast<int64_t>(bytes_of(file));
  if (seen_bytes != expected_bytes) {
    refuse(seen_bytes < expected_bytes ? "a file of the checkpoint is cut off"
                                       : "a file of the checkpoint has grown",
           fmt::format("{} bytes", expected_bytes), fmt::format("{} bytes", seen_bytes), file);
  }
  const auto expected_hash = record.at("sha256").get<std::string>();
  const std::string seen_hash = sha256_of_file(file);
  if (seen_hash != expected_hash) {
    refuse("a file of the checkpoint is damaged", "SHA-256 " + expected_hash, "SHA-256 " + seen_hash, file);
  }
}

}  // namespace

void write_manifest(const std::filesystem::path& directory, int64_t step,
                    const std::vector<std::string>& file_names) {
  nlohmann::ordered_json manifest = {{"format_version", kFormatVersion}, {"step", step}};
  for (const std::string& name : file_names) {
    manifest["files"][name] = {{"bytes", bytes_of(directory / name)},
                               {"sha256", sha256_of_file(directory / name)}};
  }
  write_text_atomically(directory / kManifestName, manifest.dump(2) + "\n");
}

int64_t verify_manifest(const std::filesystem::path& directory, const std::vector<std::string>& file_names) {
  const std::filesystem::path manifest_file = directory / kManifestName;
  const nlohmann::json manifest = read_manifest(manifest_file);
  try {
    if (manifest.at("format_version") != kFormatVersion) {
      refuse("the checkpoint has a format this program does not know",
             fmt::format("version {}", kFormatVersion), "version " + manifest.at("format_version").dump(),
             manifest_file);
    }
    const nlohmann::json& files = manifest.at("files");
    if (!files.is_object() || files.size() != file_names.size()) {
      refuse("the checkpoint's manifest is damaged", fmt::format("{} files", file_names.size()), files.dump(),
             manifest_file);
    }
    for (const std::string& name : file_names) verify_file(directory / name, files.at(name));
    return whole_number(manifest.at("step"));
  } catch (const nlohmann::json::exception& error) {  // an entry is missing or of the wrong kind
    refuse("the checkpoint's manifest is damaged", "format_version, step, files with bytes and sha256",
           error.what(), manifest_file);
  }
}

}  // namespace sdlora::checkpoint
