// A tokenizer's folder and the text it cuts: the parts of the input are vocab.json, merges.txt,
// tokenizer_config.json, special_tokens_map.json, added_tokens.json, tokenizer.json and the text; an empty
// part is no file.
#include <cstdlib>
#include <memory>

#include "data/captions/long_captions.h"
#include "model/clip/clip_tokenizer.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  for (const std::string name : {"vocab.json", "merges.txt", "tokenizer_config.json",
                                 "special_tokens_map.json", "added_tokens.json", "tokenizer.json"}) {
    const std::string_view part = fuzz::take_part(rest);
    if (part.empty())
      fuzz::remove_file("tokenizer/" + name);
    else
      fuzz::write_file("tokenizer/" + name, part);
  }
  std::filesystem::create_directories(fuzz::folder() / "tokenizer");
  fuzz::expect_orderly([&] {
    const model::ClipTokenizer tokenizer(fuzz::folder() / "tokenizer");
    const auto ids = tokenizer.encode(rest);
    if (static_cast<int64_t>(ids.size()) != tokenizer.max_length()) std::abort();
    if (tokenizer.count_tokens(rest) < 0) std::abort();
    (void)data::words_lost(tokenizer, 75, std::string(rest));
  });
  return 0;
}
