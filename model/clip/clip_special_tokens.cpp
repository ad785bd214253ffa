#include "model/clip/clip_special_tokens.h"

#include <algorithm>
#include <map>
#include <set>

#include "common/json_text.h"

namespace sdlora::model {
namespace {

using Json = nlohmann::json;

// A special token that is given as plain text is looked for in the caption as it is.
AddedToken parse_token(const Json& value, bool is_special) {
  if (value.is_string()) return {.content = value.get<std::string>(), .is_normalized = !is_special};
  return {.content = value.at("content").get<std::string>(),
          .is_normalized = value.value("normalized", !value.value("special", is_special)),
          .strips_left = value.value("lstrip", false),
          .strips_right = value.value("rstrip", false),
          .is_whole_word = value.value("single_word", false)};
}

bool contains(const std::vector<AddedToken>& tokens, const std::string& content) {
  return std::ranges::find(tokens, content, &AddedToken::content) != tokens.end();
}

// Added tokens with an id, in its order.
std::vector<AddedToken> numbered_tokens(const SpecialTokenFiles& files,
                                        const std::vector<AddedToken>& named) {
  std::map<int64_t, AddedToken> tokens;
  if (files.config.contains("added_tokens_decoder")) {
    for (const auto& [id, token] : files.config.at("added_tokens_decoder").items())
      tokens.insert_or_assign(whole_number(parse_json(id)), parse_token(token, false));
  } else {
    for (const auto& [content, id] : files.added_tokens.items())
      tokens.insert_or_assign(whole_number(id), parse_token(content, contains(named, content)));
    for (const Json& token : files.tokenizer.value("added_tokens", Json::array()))
      tokens.insert_or_assign(whole_number(token.at("id")), parse_token(token, false));
  }
  std::vector<AddedToken> ordered;
  ordered.reserve(tokens.size());
  for (const auto& entry : tokens) ordered.push_back(entry.second);
  return ordered;
}

// The settings that count, and whether each comes from special_tokens_map.json.
struct Settings {
  Json values;
  std::set<std::string> mapped_keys;
};

Settings merge_settings(const SpecialTokenFiles& files) {
  Settings settings{.values = files.config, .mapped_keys = {}};
  if (files.config.contains("added_tokens_decoder")) return settings;
  for (const auto& [key, value] : files.special_tokens_map.items()) {
    settings.values[key] = value;
    settings.mapped_keys.insert(key);
  }
  return settings;
}

}  // namespace

ClipSpecialTokens read_special_tokens(const SpecialTokenFiles& files) {
  const Settings settings = merge_settings(files);
  std::vector<AddedToken> named;
  const auto declare = [&](const std::string& key, const Json& value) {
    const AddedToken token = parse_token(value, value.is_string() || settings.mapped_keys.contains(key));
    std::erase_if(named, [&](const AddedToken& other) { return other.content == token.content; });
    named.push_back(token);  // of two with the same content the later one stands
    return token.content;
  };
  const auto declare_if_said = [&](const std::string& key, const std::string& otherwise) {
    const Json value = settings.values.value(key, Json());
    if (!value.is_null()) return declare(key, value);
    return otherwise.empty() ? otherwise : declare(key, otherwise);
  };
  ClipSpecialTokens special;
  special.start = declare_if_said("bos_token", "<|startoftext|>");
  special.end = declare_if_said("eos_token", "<|endoftext|>");
  special.unknown = declare_if_said("unk_token", "<|endoftext|>");
  declare_if_said("sep_token", "");
  special.padding = declare_if_said("pad_token", "<|endoftext|>");
  for (const char* key : {"cls_token", "mask_token"}) declare_if_said(key, "");
  for (const char* key : {"additional_special_tokens", "extra_special_tokens"})
    for (const Json& value : settings.values.value(key, Json::array())) declare(key, value);

  special.all = numbered_tokens(files, named);
  for (const AddedToken& token : named)
    if (!contains(special.all, token.content)) special.all.push_back(token);
  return special;
}

}  // namespace sdlora::model
