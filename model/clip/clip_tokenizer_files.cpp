#include "model/clip/clip_tokenizer_files.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "model/clip/clip_special_tokens.h"

namespace sdlora::model {
namespace {

using Json = nlohmann::json;
using Path = std::filesystem::path;

constexpr int64_t kMinLength = 3, kMaxLength = 1024;  // else model_max_length is taken for "not said"

[[noreturn]] void refuse(const Path& file, const std::string& expected, const std::string& seen) {
  throw Error(ExitCode::kBadData, {.what = "cannot use this tokenizer",
                                   .expected = expected,
                                   .seen = seen,
                                   .where = file.string(),
                                   .advice = "copy the model's tokenizer folder again"});
}

// An empty object where the file is not there.
Json read_optional_object(const Path& file) {
  if (!std::filesystem::exists(file)) return Json::object();
  Json values = parse_json_or_discard(read_text(file));
  if (values.is_discarded()) refuse(file, "JSON", "something else");
  if (!values.is_object()) refuse(file, "a JSON object", values.type_name());
  return values;
}

Vocabulary read_vocabulary(const Path& file, const Json& entries) {
  if (!entries.is_object()) refuse(file, "an object of tokens and their ids", entries.type_name());
  Vocabulary vocabulary;
  vocabulary.reserve(entries.size());
  for (const auto& [token, id] : entries.items()) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > INT32_MAX)
      refuse(file, "an id of 0 or more for each token", fmt::format("{} for '{}'", id.dump(), token));
    vocabulary.emplace(token, id.get<int64_t>());
  }
  return vocabulary;
}

std::pair<std::string, std::string> parse_merge(const Path& file, size_t number, std::string_view line) {
  const size_t space = line.find(' ');
  if (space == 0 || space >= line.size() - 1 || line.find(' ', space + 1) != std::string_view::npos)
    refuse(file, "two tokens and one space between them", fmt::format("line {}: '{}'", number, line));
  return {std::string(line.substr(0, space)), std::string(line.substr(space + 1))};
}

MergeList read_merge_lines(const Path& file) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // of Windows' editors
  std::string text = read_text(file);
  if (text.starts_with(kByteOrderMark)) text.erase(0, kByteOrderMark.size());
  std::istringstream lines(text);
  MergeList merges;
  std::string line;
  for (size_t number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (line.starts_with("#version") || line.empty()) continue;
    merges.push_back(parse_merge(file, number, line));
  }
  return merges;
}

// Of tokenizer.json: "left right", or ["left", "right"].
MergeList read_merge_array(const Path& file, const Json& entries) {
  if (!entries.is_array()) refuse(file, "a list of merges", entries.type_name());
  MergeList merges;
  merges.reserve(entries.size());
  for (const Json& entry : entries) {
    if (entry.is_string())
      merges.push_back(parse_merge(file, merges.size() + 1, entry.get<std::string>()));
    else
      merges.emplace_back(entry.at(0).get<std::string>(), entry.at(1).get<std::string>());
  }
  return merges;
}

void read_vocabulary_and_merges(const Path& directory, const Json& tokenizer_json,
                                ClipTokenizerFiles& files) {
  const Path vocabulary_file = directory / "vocab.json", merges_file = directory / "merges.txt";
  if (std::filesystem::exists(vocabulary_file)) {
    files.vocabulary = read_vocabulary(vocabulary_file, read_optional_object(vocabulary_file));
    if (!std::filesystem::exists(merges_file))
      refuse(merges_file, "the merges of vocab.json", "no such file");
    files.merges = read_merge_lines(merges_file);
    files.merges_file = merges_file;
    return;
  }
  const Path file = directory / "tokenizer.json";
  files.merges_file = file;
  if (tokenizer_json.empty())
    refuse(directory, "vocab.json and merges.txt, or tokenizer.json", "none of them");
  try {
    files.vocabulary = read_vocabulary(file, tokenizer_json.at("model").at("vocab"));
    files.merges = read_merge_array(file, tokenizer_json.at("model").at("merges"));
  } catch (const Json::exception& failure) {
    refuse(file, "a byte-pair model with vocab and merges", failure.what());
  }
}

int64_t read_max_length(const Json& settings, int64_t fallback) {
  const Json length = settings.value("model_max_length", Json());
  const bool is_sane =
      length.is_number() && length.get<double>() >= kMinLength && length.get<double>() <= kMaxLength;
  return is_sane ? length.get<int64_t>() : fallback;
}

void require_right_side(const Path& file, const Json& settings) {
  for (const char* key : {"padding_side", "truncation_side"})
    if (settings.value(key, Json("right")) != "right")
      refuse(file, fmt::format("{}: right", key), fmt::format("{}: {}", key, settings[key].dump()));
}

// Known tokens keep their id; the others follow the vocabulary in their order.
void number_added_tokens(ClipTokenizerFiles& files) {
  auto next_id = static_cast<int64_t>(files.vocabulary.size());
  for (AddedToken& token : files.added_tokens) {
    const auto known = files.vocabulary.find(token.content);
    token.id = known != files.vocabulary.end() ? known->second : next_id++;
  }
}

int64_t id_of(const Path& directory, const ClipTokenizerFiles& files, const std::string& content) {
  const auto token = std::ranges::find(files.added_tokens, content, &AddedToken::content);
  if (token == files.added_tokens.end()) refuse(directory, "a token " + content, "none");
  return token->id;
}

}  // namespace

void ClipTokenizerFiles::declare(const SpecialTokenFiles& special_files, const Path& where) {
  try {
    const ClipSpecialTokens special = read_special_tokens(special_files);
    added_tokens = special.all;
    number_added_tokens(*this);
    for (const std::string& content : {special.start, special.end, special.unknown})
      if (!vocabulary.contains(content)) refuse(where, content + " in the vocabulary", "no such token");
    start_id = id_of(where, *this, special.start);
    end_id = id_of(where, *this, special.end);
    unknown_id = id_of(where, *this, special.unknown);
    padding_id = id_of(where, *this, special.padding);
  } catch (const Json::exception& failure) {
    refuse(where, "special tokens as text or as added tokens", failure.what());
  }
}

ClipTokenizerFiles ClipTokenizerFiles::read(const Path& directory) {
  if (!std::filesystem::is_directory(directory)) refuse(directory, "a tokenizer's folder", "no such folder");
  const Path config_file = directory / "tokenizer_config.json";
  const Json tokenizer_json = read_optional_object(directory / "tokenizer.json");
  const Json config = read_optional_object(config_file);
  ClipTokenizerFiles files;
  read_vocabulary_and_merges(directory, tokenizer_json, files);
  files.max_length = read_max_length(config, files.max_length);
  require_right_side(config_file, config);
  files.declare({.config = config,
                 .special_tokens_map = read_optional_object(directory / "special_tokens_map.json"),
                 .added_tokens = read_optional_object(directory / "added_tokens.json"),
                 .tokenizer = tokenizer_json},
                directory);
  return files;
}

std::string identity_of(const ClipTokenizerFiles& files) {
  std::vector<std::pair<int64_t, std::string>> tokens;
  tokens.reserve(files.vocabulary.size());
  for (const auto& [token, id] : files.vocabulary) tokens.emplace_back(id, token);
  std::ranges::sort(tokens);
  std::string text;
  for (const auto& [id, token] : tokens) text += fmt::format("{} {}\n", id, token);
  for (const auto& [left, right] : files.merges) text += fmt::format("{} {}\n", left, right);
  for (const AddedToken& token : files.added_tokens)
    text += fmt::format("{} {} {:d} {:d} {:d} {:d}\n", token.id, token.content, token.is_normalized,
                        token.strips_left, token.strips_right, token.is_whole_word);
  text += fmt::format("{} {} {} {} {}", files.start_id, files.end_id, files.unknown_id, files.padding_id,
                      files.max_length);
  return checkpoint::sha256_of(text);
}

}  // namespace sdlora::model
