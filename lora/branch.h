// The trained part beside a frozen layer, s B A x: its tensors, and what a layer's backward does with them.
#pragma once

#include <memory>

#include "lora/branch_dropout.h"
#include "lora/rounded_parameters.h"

namespace sdlora::lora {

struct Branch {
  at::Tensor a;  // [r, in], a view of the adapter's flat buffer, fp32; of a convolution [r, in·k·k]
  at::Tensor b;  // [out, r], likewise
  at::Tensor a_gradient;                                   // as a
  at::Tensor b_gradient;                                   // as b
  double scale;                                            // alpha / r
  std::shared_ptr<RoundedParameters> rounded = nullptr;    // of their flat buffer; none: at every use
  std::shared_ptr<const BranchDropout> dropout = nullptr;  // none: nothing is ever left out
  size_t module = 0;                                       // by which its draws of dropout differ

  // In the type that x is computed in.
  at::Tensor a_in(at::ScalarType type) const { return rounded ? rounded->of(a, type) : a.detach().to(type); }

  at::Tensor b_in(at::ScalarType type) const { return rounded ? rounded->of(b, type) : b.detach().to(type); }

  // Of A and B, as autograd counts changes in place.
  int64_t version() const { return static_cast<int64_t>(a._version()) + b._version(); }

  // What A x [n, r], n tokens of all samples, is multiplied with element by element, [B, n/B or 1, r] in
  // `type` and where A is; undefined: with nothing.
  at::Tensor dropout_factors(int64_t token_count, at::ScalarType type) const;

  // dA += s pᵀ x, with x [n, in] and p = dy B [n, r] after dropout
  void add_a_gradient(const at::Tensor& p, const at::Tensor& x) const;

  // dB += s dyᵀ A x, with dy [n, out] and A x [n, r] after dropout; `gain` [out]: of each output's part, or
  // undefined
  void add_b_gradient(const at::Tensor& dy, const at::Tensor& reduced, const at::Tensor& gain = {}) const;
};

// reduced [n, r] times factors [B, n/B or 1, r], in place; undefined: as it is.
void multiply_rows(at::Tensor& reduced, const at::Tensor& factors);

}  // namespace sdlora::lora
