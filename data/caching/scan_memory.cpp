#include "data/caching/scan_memory.h"

#include <chrono>
#include <exception>

#include "checkpoint/file_identity.h"
#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "data/images/image_header.h"

namespace sdlora::data {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

// To be raised when what is seen of a file changes its meaning: read_image_header(), kind_by_name().
constexpr int kVersion = 1;
constexpr size_t kKeyDigits = 32;

// Hashed: caches are given to others, whom the folders' names are no business of.
std::string key_of(const fs::path& file, LookAt role) {
  const std::string path = fs::absolute(file).lexically_normal().string();
  return (role == LookAt::kMask ? "mask " : "picture ") + checkpoint::sha256_of(path).substr(0, kKeyDigits);
}

bool is_side(int64_t pixels) {
  return pixels >= 0 && pixels <= kMaxSidePixels;
}

}  // namespace

Json to_json(const Look& look) {
  const InspectedImage& seen = look.seen;
  return {look.identity,   seen.sha256,     seen.unusable_reason,
          seen.other_kind, seen.size.width, seen.size.height};
}

Look look_from(const Json& json) {
  Look look{.seen = {.sha256 = json.at(1),
                     .unusable_reason = json.at(2),
                     .other_kind = json.at(3),
                     .size = {.width = whole_number(json.at(4)), .height = whole_number(json.at(5))}},
            .identity = json.at(0)};
  if ((!look.seen.sha256.empty() && !checkpoint::is_sha256(look.seen.sha256)) ||
      !is_side(look.seen.size.width) || !is_side(look.seen.size.height))
    throw Json::other_error::create(501, "no look at a picture", &json);
  return look;
}

ScanMemory::ScanMemory(const fs::path& file) {
  try {
    if (fs::exists(file)) *this = from_text(read_text(file));
  } catch (const std::exception&) {  // as good as none
  }
}

std::string ScanMemory::to_text() const {
  Json looks = Json::object();
  for (const auto& [key, entry] : entries_) looks[key] = to_json(entry.look);
  const std::string sha256 = checkpoint::sha256_of(looks.dump());
  return Json{{"format", kScanFormat}, {"version", kVersion}, {"looks", std::move(looks)}, {"sha256", sha256}}
      .dump();
}

ScanMemory ScanMemory::from_text(const std::string& text) {
  ScanMemory memory;
  const Json json = parse_json(text);
  if (json.at("version") != kVersion) return memory;
  const Json& looks = json.at("looks");
  if (json.at("sha256") != checkpoint::sha256_of(looks.dump())) return memory;
  for (const auto& [key, look] : looks.items()) memory.entries_[key] = {.look = look_from(look)};
  return memory;
}

Look ScanMemory::look_at(const fs::path& file, LookAt role,
                         const std::function<InspectedImage()>& inspect) const {
  try {
    const auto start = std::chrono::system_clock::now();
    const checkpoint::FileIdentity before = checkpoint::identity_of_file(file);
    const auto known = entries_.find(key_of(file, role));
    if (known != entries_.end() && known->second.look.identity == before.text) return known->second.look;
    Look fresh{.seen = inspect(), .identity = {}};
    const bool is_settled = start - before.changed_at > checkpoint::kYouth;
    if (is_settled && fresh.seen.unusable_reason.empty() &&
        checkpoint::identity_of_file(file).text == before.text)
      fresh.identity = before.text;
    return fresh;
  } catch (const Error&) {  // no file, or none that can be opened: said by who reads it
    return {.seen = inspect(), .identity = {}};
  }
}

void ScanMemory::keep(const fs::path& file, LookAt role, const Look& look) {
  const std::string key = key_of(file, role);
  if (look.identity.empty()) {
    is_changed_ |= entries_.erase(key) > 0;
    return;
  }
  Entry& entry = entries_[key];
  is_changed_ |= entry.look.identity != look.identity;
  entry = {.look = look, .is_kept = true};
}

void ScanMemory::forget_the_rest() {
  is_changed_ |= std::erase_if(entries_, [](const auto& entry) { return !entry.second.is_kept; }) > 0;
}

void ScanMemory::save_to(const fs::path& file) {
  if (!is_changed_) return;
  try {
    write_text_atomically(file, to_text());
    is_changed_ = false;
  } catch (const std::exception&) {  // read again next time
  }
}

}  // namespace sdlora::data
