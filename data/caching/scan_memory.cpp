#include "data/caching/scan_memory.h"

#include <chrono>
#include <exception>

#include "checkpoint/file_identity.h"
#include "checkpoint/sha256.h"
#include "checkpoint/user_memory.h"
#include "common/atomic_file.h"
#include "common/json_text.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// To be raised when what is seen of a file changes its meaning: read_image_header(), kind_by_name().
constexpr int kVersion = 1;

}  // namespace

Json to_json(const Look& look) {
  const InspectedImage& seen = look.seen;
  return {look.identity,   seen.sha256,     seen.unusable_reason,
          seen.other_kind, seen.size.width, seen.size.height};
}

Look look_from(const Json& json) {
  return {.seen = {.sha256 = json.at(1),
                   .unusable_reason = json.at(2),
                   .other_kind = json.at(3),
                   .size = {.width = json.at(4), .height = json.at(5)}},
          .identity = json.at(0)};
}

ScanMemory::ScanMemory(const fs::path& memory, const fs::path& folder) {
  if (memory.empty()) return;
  try {
    const std::string name = fs::canonical(folder).string();
    file_ = memory / (checkpoint::sha256_of(name).substr(0, 32) + ".json");
    if (fs::exists(file_)) looks_ = from_text(read_text(file_)).looks_;
  } catch (const std::exception&) {  // as good as none
  }
}

ScanMemory ScanMemory::of_this_user(const fs::path& folder) {
  return {checkpoint::memory_of_this_user("scans"), folder};
}

std::string ScanMemory::to_text() const {
  Json files = Json::object();
  for (const auto& [name, look] : looks_) files[name] = to_json(look);
  return Json{{"version", kVersion}, {"files", std::move(files)}}.dump();
}

ScanMemory ScanMemory::from_text(const std::string& text) {
  ScanMemory memory;
  const Json json = parse_json(text);
  if (json.at("version") != kVersion) return memory;
  for (const auto& [name, look] : json.at("files").items()) memory.looks_[name] = look_from(look);
  return memory;
}

Look ScanMemory::look_at(const std::string& name, const fs::path& file,
                         const std::function<InspectedImage()>& inspect) const {
  try {
    const auto start = std::chrono::system_clock::now();
    const checkpoint::FileIdentity before = checkpoint::identity_of_file(file);
    const auto known = looks_.find(name);
    if (known != looks_.end() && known->second.identity == before.on_any_host) return known->second;
    Look fresh{.seen = inspect(), .identity = {}};
    const bool is_settled = start - before.changed_at > checkpoint::kYouth;
    if (is_settled && fresh.seen.unusable_reason.empty() &&
        checkpoint::identity_of_file(file).text == before.text)
      fresh.identity = before.on_any_host;
    return fresh;
  } catch (const Error&) {  // no file, or none that can be opened: said by who reads it
    return {.seen = inspect(), .identity = {}};
  }
}

void ScanMemory::keep(const std::string& name, const Look& look) {
  if (look.identity.empty())
    looks_.erase(name);
  else
    looks_[name] = look;
}

void ScanMemory::save() const {
  if (file_.empty()) return;
  try {
    fs::create_directories(file_.parent_path());
    write_text_atomically(file_, to_text());
  } catch (const std::exception&) {  // read again next time
  }
}

}  // namespace sdlora::data
