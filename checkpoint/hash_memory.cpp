#include "checkpoint/hash_memory.h"

#include <array>
#include <chrono>
#include <cstdlib>
#include <optional>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/atomic_file.h"
#include "checkpoint/sha256.h"
#include "common/error.h"

namespace sdlora::checkpoint {
namespace {

namespace fs = std::filesystem;

// A file that changed less than this before it was read may change again without showing: clocks of file
// systems are coarse.
constexpr std::chrono::seconds kYouth{2};

struct Identity {
  std::string text;
  int64_t byte_count;
  std::chrono::system_clock::time_point changed_at;
};

std::string host_name() {
  std::array<char, 256> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "";
}

// Nothing when the file cannot be looked at; reading it says why.
std::optional<Identity> identity_of(const fs::path& file) {
  struct stat status {};

  if (::stat(file.c_str(), &status) != 0) return std::nullopt;
  const auto nanoseconds = [](const timespec& time) {
    return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
  };
  return Identity{.text = fmt::format("{} {}:{} {} bytes, modified {}, changed {}", host_name(),
                                      status.st_dev, status.st_ino, status.st_size,
                                      nanoseconds(status.st_mtim), nanoseconds(status.st_ctim)),
                  .byte_count = status.st_size,
                  .changed_at = std::chrono::system_clock::from_time_t(status.st_ctim.tv_sec)};
}

std::optional<std::string> remembered_in(const fs::path& note, const std::string& identity) {
  try {
    if (!fs::exists(note)) return std::nullopt;
    const auto json = nlohmann::json::parse(read_text(note));
    if (json.at("identity") == identity) return json.at("sha256").get<std::string>();
  } catch (const std::exception&) {  // as good as no note
  }
  return std::nullopt;
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
  if (const char* home = std::getenv("SDLORA_HOME")) return HashMemory(fs::path(home) / "hashes");
  if (const char* home = std::getenv("HOME")) return HashMemory(fs::path(home) / ".cache/sdlora/hashes");
  return HashMemory({});
}

std::string HashMemory::sha256_of_file(const fs::path& file) const {
  const auto start = std::chrono::system_clock::now();
  const std::optional<Identity> before = identity_of(file);
  if (directory_.empty() || !before || before->byte_count < least_bytes_)
    return checkpoint::sha256_of_file(file);
  const fs::path note = directory_ / (sha256_of(before->text).substr(0, 32) + ".json");
  if (const auto remembered = remembered_in(note, before->text)) return *remembered;
  const std::string hash = checkpoint::sha256_of_file(file);
  const std::optional<Identity> after = identity_of(file);
  if (after && after->text == before->text && start - before->changed_at > kYouth)
    remember_in(note, file, before->text, hash);
  return hash;
}

}  // namespace sdlora::checkpoint
