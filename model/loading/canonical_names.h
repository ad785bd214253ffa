// Names that diffusers and transformers have used over the years, as the current ones. After this the same
// weights have the same names and shapes, whichever version wrote them.
#pragma once

#include "model/loading/stored_weights.h"

namespace sdlora::model {

// The attention of the middle block was query, key, value, proj_attn, and its matrices [C, C] have been 1×1
// convolutions [C, C, 1, 1] or [C, C, 1] (diffusers AutoencoderKL up to 0.17, and every LDM file).
StoredWeights canonical_vae(const StoredWeights& weights);

// transformers up to 5.5 wrote "text_model." before every name; a whole CLIPModel and
// CLIPTextModelWithProjection also hold what a text encoder does not use: projections, the vision model,
// logit_scale, position_ids (always 0, 1, 2 …).
StoredWeights canonical_text_encoder(const StoredWeights& weights);

}  // namespace sdlora::model
