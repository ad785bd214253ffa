// A text to what the UNet attends to: its tokens, the text encoder over them, the output of one of its
// layers.
#pragma once

#include <string>

#include "model/clip/clip_text_encoder.h"
#include "model/clip/clip_tokenizer.h"

namespace sdlora::model {

struct ClipReading {
  int64_t clip_skip = 1;          // 1: the last layer's output; 2: that of the layer before it; and so on
  int64_t max_token_length = 75;  // tokens of a text that count: 75, or in chunks 150 or 225

  // Whether there is such a reading, with some text encoder.
  bool is_possible() const {
    return clip_skip >= 1 && clip_skip <= 1000 &&
           (max_token_length == 75 || max_token_length == 150 || max_token_length == 225);
  }

  bool operator==(const ClipReading&) const = default;
};

class ClipTextReader {
 public:
  // Throws Error(kUsage) for a reading that these two do not allow: --clip-skip beyond the layers; chunks
  // where the encoder takes other than 77 tokens, or texts are not padded with the end marker (SD 2.x).
  ClipTextReader(ClipTokenizer tokenizer, ClipTextEncoder encoder, const ClipReading& reading,
                 at::Device device);

  const ClipTokenizer& tokenizer() const { return tokenizer_; }

  ClipTextEncoder& encoder() { return encoder_; }

  // Of read(): [L, C]; L is 77, 152 or 227.
  std::vector<int64_t> shape() const;

  // [L, C] f32 on the CPU, after the final layer norm, without gradients; any number of threads at a
  // time, unless an adapter is attached.
  at::Tensor read(const std::string& text) const;

  // What encode() takes of a text, [L] i64 on the CPU.
  at::Tensor token_ids(const std::string& text) const;

  // ids [B, L] i64 on the device → [B, L, C] after the final layer norm, in the encoder's type.
  //
  // Longer texts than 75 tokens go through the encoder in chunks of 75, each between a start and an end
  // marker, and meet again as kohya's do in training (sd-scripts, SdTextEncodingStrategy): the start of the
  // first, the 75 of each, the end of the last.
  at::Tensor encode(const at::Tensor& ids) const;

 private:
  ClipTokenizer tokenizer_;
  ClipTextEncoder encoder_;
  ClipReading reading_;
  at::Device device_;
};

// Tokens of a text that count, without start and end.
int64_t token_room(const ClipTokenizer& tokenizer, const ClipReading& reading);

}  // namespace sdlora::model
