#include "model/clip/clip_text_reader.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "common/error.h"

namespace sdlora::model {
namespace {

constexpr int64_t kChunkTokens = 75;
constexpr int64_t kWindowTokens = kChunkTokens + 2;

bool is_chunked(const ClipReading& reading) {
  return reading.max_token_length != kChunkTokens;
}

void check_reading(const ClipTokenizer& tokenizer, const ClipTextEncoder& encoder,
                   const ClipReading& reading) {
  if (reading.clip_skip < 1 || reading.clip_skip > encoder.config().layer_count)
    throw Error(ExitCode::kUsage,
                {.what = "--clip-skip does not fit the text encoder",
                 .expected = fmt::format("1 to {}, its layers", encoder.config().layer_count),
                 .seen = fmt::format("{}", reading.clip_skip)});
  if (is_chunked(reading) && (tokenizer.max_length() != kWindowTokens || !tokenizer.pads_with_end()))
    throw Error(ExitCode::kUsage,
                {.what = "--max-token-length does not fit the model",
                 .expected = "75, or a text encoder of 77 tokens whose texts are padded with the end marker "
                             "(SD 1.x)",
                 .seen = fmt::format("{}, and {} tokens {}", reading.max_token_length, tokenizer.max_length(),
                                     tokenizer.pads_with_end() ? "padded so" : "padded otherwise (SD 2.x)")});
}

}  // namespace

int64_t token_room(const ClipTokenizer& tokenizer, const ClipReading& reading) {
  return is_chunked(reading) ? reading.max_token_length : tokenizer.max_length() - 2;
}

ClipTextReader::ClipTextReader(ClipTokenizer tokenizer, ClipTextEncoder encoder, const ClipReading& reading,
                               at::Device device)
    : tokenizer_(std::move(tokenizer)), encoder_(std::move(encoder)), reading_(reading), device_(device) {
  check_reading(tokenizer_, encoder_, reading_);
}

std::vector<int64_t> ClipTextReader::shape() const {
  return {token_room(tokenizer_, reading_) + 2, encoder_.config().hidden_size};
}

at::Tensor ClipTextReader::read(const std::string& text) const {
  const c10::NoGradGuard no_gradients;
  return encode(token_ids(text).unsqueeze(0).to(device_))[0].to(at::kCPU, at::kFloat).contiguous();
}

at::Tensor ClipTextReader::token_ids(const std::string& text) const {
  return at::tensor(tokenizer_.encode(text, token_room(tokenizer_, reading_)), at::kLong);
}

at::Tensor ClipTextReader::encode(const at::Tensor& ids) const {
  const int64_t layers_left_out = reading_.clip_skip - 1, length = ids.size(1);
  if (!is_chunked(reading_)) return encoder_.encode(ids, layers_left_out);
  const at::Tensor start = ids.slice(1, 0, 1), end = ids.slice(1, -1);  // [B, 1]
  std::vector<at::Tensor> parts;
  for (int64_t first = 1; first + 1 < length; first += kChunkTokens) {
    const at::Tensor window = at::cat({start, ids.slice(1, first, first + kChunkTokens), end}, 1);
    const at::Tensor chunk = encoder_.encode(window, layers_left_out);  // [B, 77, C]
    if (parts.empty()) parts.push_back(chunk.slice(1, 0, 1));
    parts.push_back(chunk.slice(1, 1, 1 + kChunkTokens));
    if (first + kChunkTokens + 1 == length) parts.push_back(chunk.slice(1, 1 + kChunkTokens));
  }
  return at::cat(parts, 1);
}

}  // namespace sdlora::model
