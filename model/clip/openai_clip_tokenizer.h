// The tokenizer of OpenAI's CLIP, for models that come without one: the same as the folder tokenizer/ of
// Stable Diffusion 1.5 and 2.1 holds.
#pragma once

#include "model/clip/clip_tokenizer_files.h"

namespace sdlora::model {

// Stable Diffusion 1.x pads captions with the end marker, 2.x with "!", which its tokenizer thereby takes for
// a special token also in a caption.
enum class ClipPadding { kEndMarker, kExclamationMark };

ClipTokenizerFiles openai_clip_tokenizer(ClipPadding padding);

}  // namespace sdlora::model
