#include "inference/prompt_encoder.h"

#include <fmt/format.h>

#include "common/log.h"
#include "data/captions/long_captions.h"

namespace sdlora::inference {

PromptEncoder::PromptEncoder(const model::ModelSource& model, const model::ClipReading& reading,
                             at::Device device, const model::WeightEdits* edits)
    : reader_(model.load_text_reader(reading, device, at::kFloat, edits)),
      token_room_(model::token_room(reader_.tokenizer(), reading)) {
  if (!reader_.tokenizer().doubt().empty()) log::warning(reader_.tokenizer().doubt());
}

const at::Tensor& PromptEncoder::encode(const std::string& prompt) {
  const auto known = encoded_.find(prompt);
  if (known != encoded_.end()) return known->second;
  const std::string lost = data::words_lost(reader_.tokenizer(), token_room_, prompt);
  if (!lost.empty())
    log::warning(
        fmt::format("a prompt is longer than {} tokens and is cut before \"{}\"", token_room_, lost));
  return encoded_[prompt] = reader_.read(prompt);
}

}  // namespace sdlora::inference
