#include "lora/initial_values.h"

#include <algorithm>

#include <ATen/ATen.h>

#include "lora/adapter_fit.h"

namespace sdlora::lora {
namespace {

struct Factors {
  at::Tensor a;  // f64 [r, in]
  at::Tensor b;  // f64 [out, r]
};

// The best product of at most rank `rank` in place of b a, its singular values shared between both. B and A
// are thin: with B = Q R and Aᵀ = P S the singular values are those of the small R Sᵀ.
Factors reduced(const Factors& factors, int64_t rank) {
  const auto [q, r] = at::linalg_qr(factors.b);      // [out, r0], [r0, r0]
  const auto [p, s] = at::linalg_qr(factors.a.t());  // [in, r0], [r0, r0]
  const auto [u, values, vh] = at::linalg_svd(at::matmul(r, s.t()), /*full_matrices=*/false);
  const int64_t found = std::min(rank, values.size(0));  // a product has no more than its shorter side
  const at::Tensor roots = values.narrow(0, 0, found).sqrt();
  return {.a = roots.unsqueeze(1) * at::matmul(vh.narrow(0, 0, found), p.t()),
          .b = at::matmul(q, u.narrow(1, 0, found)) * roots};
}

}  // namespace

BegunFrom begin_from(Adapter& adapter, const AdapterFile& file) {
  BegunFrom begun;
  std::set<std::string> used;
  std::vector<std::pair<size_t, at::Tensor>> magnitudes;  // of modules that the file has some for
  for (size_t i = 0; i < adapter.modules().size(); ++i) {
    const Adapter::Module& module = adapter.modules()[i];
    const LowRankPairs& pairs = module.network == Network::kUnet ? file.unet : file.text_encoder;
    const auto found = pairs.find(module.path);
    const auto dora = file.doras.find(module.path);
    const bool is_dora = module.has_magnitude && dora != file.doras.end();
    if (found == pairs.end() && !is_dora) continue;
    const LowRankPair& pair = is_dora ? dora->second.pair : found->second;
    if (is_dora) magnitudes.emplace_back(i, dora->second.magnitude);
    check_fit(file, pair, module);
    Factors factors{.a = pair.a.flatten(1).to(at::kDouble), .b = pair.b.flatten(1).to(at::kDouble)};
    factors.b = factors.b * (pair.scale() / module.scale());
    if (pair.rank() > module.rank) {
      factors = reduced(factors, module.rank);
      ++begun.reduced_count;
    }
    const int64_t rank = factors.a.size(0);
    adapter.a(i).narrow(0, 0, rank).copy_(factors.a);
    at::Tensor b = adapter.b(i);
    b.zero_();
    b.narrow(1, 0, rank).copy_(factors.b);
    used.insert(module.path);
  }
  adapter.set_magnitudes_to_lengths();
  for (const auto& [module, values] : magnitudes) adapter.magnitude(module).copy_(values);
  begun.module_count = static_cast<int64_t>(used.size());
  begun.left_out = find_left_out(file, used, adapter.config().kind);
  if (used.empty()) refuse_unfit(file, begun.left_out);
  return begun;
}

}  // namespace sdlora::lora
