#include "checkpoint/hash_memory.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <optional>

#include <nlohmann/json.hpp>

#include "checkpoint/file_identity.h"
#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/json_text.h"

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

// A directory that the environment names; empty when it does not.
fs::path folder_from(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "" : value;
}

std::optional<std::string> remembered_in(const fs::path& note, const std::string& identity) {
  try {
    if (!fs::exists(note)) return std::nullopt;
    const auto json = parse_json(read_text(note));
    const auto hash = json.at("sha256").get<std::string>();
    if (json.at("identity") == identity && is_sha256(hash)) return hash;
  } catch (const std::exception&) {  // as good as no note
  }
  return std::nullopt;
}

// Of all files together.
FileIdentity look_at(const std::vector<fs::path>& files) {
  FileIdentity all{};
  for (const fs::path& file : files) {
    const FileIdentity one = identity_of_file(file);
    all.text += one.text;
    all.byte_count += one.byte_count;
    all.changed_at = std::max(all.changed_at, one.changed_at);
  }
  return all;
}

void remember_in(const fs::path& note, const fs::path& file, const std::string& identity,
                 const std::string& hash) {
  try {
    fs::create_directories(note.parent_path());
    const nlohmann::json json{
        {"file", fs::absolute(file).string()}, {"identity", identity}, {"sha256", hash}};
    write_text_atomically(note, json.dump(1) + "\n");
  } catch (const std::exception&) {  // computed again next time
  }
}

}  // namespace

HashMemory::HashMemory(fs::path directory, int64_t least_bytes)
    : directory_(std::move(directory)), least_bytes_(least_bytes) {}

HashMemory HashMemory::of_this_user() {
  if (const fs::path home = folder_from("SDLORA_HOME"); !home.empty()) return HashMemory(home / "hashes");
  if (const fs::path home = folder_from("HOME"); !home.empty())
    return HashMemory(home / ".cache/sdlora/hashes");
  return HashMemory({});
}

std::string HashMemory::sha256_of_file(const fs::path& file) const {
  return hash_of({file}, "", [&] { return checkpoint::sha256_of_file(file); });
}

std::string HashMemory::hash_of(const std::vector<fs::path>& files, const std::string& question,
                                const std::function<std::string()>& compute) const {
  const auto start = std::chrono::system_clock::now();
  const FileIdentity before = look_at(files);
  if (directory_.empty() || before.byte_count < least_bytes_) return compute();
  const std::string identity = before.text + question;
  const fs::path note = directory_ / (sha256_of(identity).substr(0, 32) + ".json");
  if (const auto remembered = remembered_in(note, identity)) return *remembered;
  std::string hash = compute();
  if (look_at(files).text == before.text && start - before.changed_at > kYouth)
    remember_in(note, files.front(), identity, hash);
  return hash;
}

}  // namespace sdlora::checkpoint
