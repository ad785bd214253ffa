// The VAE's large layers, computed band by band: some rows of pixels at a time, so that beside input and
// output only one band's temporaries are alive. At 1024² pixels an activation is 0.5 to 1 GB, and computing
// whole layers keeps six of them. The result is that of the whole layer, not an overlap of tiles:
// normalisation sees the whole picture, and a band's convolution sees the rows around it.
#pragma once

#include <functional>
#include <vector>

#include "model/layers/convolution.h"
#include "model/layers/normalization.h"

namespace sdlora::model {

struct Rows {
  int64_t first;
  int64_t count;
};

// All rows of an activation [B, channels, height, width] in bands of about 32 MB in fp32 per sample. Does not
// depend on B, so that a sample's bytes do not depend on its batch.
std::vector<Rows> bands_of(int64_t channels, int64_t height, int64_t width);

// A 3×3 convolution with padding 1 of the input [B, in, height, width], of which `rows_of` computes some
// rows, [B, in, rows.count, width] → [B, out, height, width]
at::Tensor convolve_in_bands(const Convolution& convolution, int64_t height, int64_t width,
                             const std::function<at::Tensor(Rows rows)>& rows_of);

// Normalisation, SiLU and convolution, the VAE's usual step. x [B, in, h, w] → [B, out, h, w]
at::Tensor convolve_normalized(const GroupNorm& norm, const Convolution& convolution, const at::Tensor& x);

}  // namespace sdlora::model
