#include "lora/kohya_names.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sdlora::lora {
namespace {

// Every component with an underscore in the module paths of both networks. None is the beginning of another
// that can stand in the same place, but time_emb of time_embedding: the whole component is compared.
constexpr std::array<std::string_view, 24> kWords{"down_blocks",
                                                  "up_blocks",
                                                  "mid_block",
                                                  "transformer_blocks",
                                                  "to_q",
                                                  "to_k",
                                                  "to_v",
                                                  "to_out",
                                                  "proj_in",
                                                  "proj_out",
                                                  "conv_in",
                                                  "conv_out",
                                                  "linear_1",
                                                  "time_embedding",
                                                  "linear_2",
                                                  "time_emb_proj",
                                                  "q_proj",
                                                  "conv_shortcut",
                                                  "text_model",
                                                  "self_attn",
                                                  "token_embedding",
                                                  "k_proj",
                                                  "v_proj",
                                                  "out_proj"};

// The word that `name` has at `begin`, up to its end or the next '_'; empty when none.
std::string_view word_at(std::string_view name, size_t begin) {
  const std::string_view rest = name.substr(begin);
  for (const std::string_view word : kWords)
    if (rest.starts_with(word) && (rest.size() == word.size() || rest[word.size()] == '_')) return word;
  return {};
}

}  // namespace

std::string kohya_name_of_path(const std::string& path) {
  std::string name = path;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

std::string path_of_kohya_name(const std::string& name) {
  std::string path;
  for (size_t begin = 0; begin < name.size();) {
    std::string_view component = word_at(name, begin);
    if (component.empty()) component = std::string_view(name).substr(begin, name.find('_', begin) - begin);
    if (begin > 0) path += '.';
    path += component;
    begin += component.size() + 1;
  }
  return path;
}

}  // namespace sdlora::lora
