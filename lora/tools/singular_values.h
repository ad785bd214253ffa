// A module's ΔW by its singular values (Eckart and Young 1936): the best of a lower rank is that of the
// greatest. LAPACK's, in fp64; of a pair by way of its factors, so that nothing of the weight's size is made.
#pragma once

#include "lora/kinds/low_rank.h"

namespace sdlora::lora {

struct SingularValues {
  at::Tensor u;   // [out, n] f64
  at::Tensor s;   // [n], descending
  at::Tensor vh;  // [n, in] (of a convolution [n, in k k])
};

// Of (alpha / r) B A; n is at most r.
SingularValues singular_values_of(const LowRankPair& pair);

// Of `difference`, of any shape with the outputs first.
SingularValues singular_values_of(const at::Tensor& difference);

// The pair of the `rank` greatest, B = U S and A = Vᵀ, whose alpha is `scale` times its rank (so B is divided
// by `scale`). `a_shape`: of A but for the rank, {in} or {in, k, k}.
LowRankPair cut_to(const SingularValues& values, int64_t rank, double scale, at::IntArrayRef a_shape);

// ‖ΔW‖² of those that cut_to() leaves out; with rank 0 of all.
double lost_square(const SingularValues& values, int64_t rank);

}  // namespace sdlora::lora
