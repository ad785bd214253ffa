// The loops of fixed_point.h as tensor operations, for devices whose memory the host cannot reach. The same
// integers, and the same fp32, bit for bit. No host sync.
#pragma once

#include <ATen/core/Tensor.h>

namespace sdlora::comm::fixed_point {

// terms [k] f32; high, low [k] i64, added to; refused [] i64, added to.
void add_terms(const at::Tensor& terms, at::Tensor& high, at::Tensor& low, at::Tensor& refused);

// high, low [k] i64 -> [k] f32
at::Tensor round_sums(const at::Tensor& high, const at::Tensor& low);

}  // namespace sdlora::comm::fixed_point
