#include "lora/branch_dropout.h"

#include <utility>

#include <ATen/ATen.h>

#include "common/seeds.h"

namespace sdlora::lora {
namespace {

// 1 or 0 of `shape`: whether it is kept.
at::Tensor draw_kept(at::IntArrayRef shape, double rate, const at::Generator& generator) {
  return at::rand(shape, generator, at::kFloat).ge(rate).to(at::kFloat);
}

}  // namespace

at::Tensor BranchDropout::draw(size_t module, int64_t token_count, int64_t rank) const {
  std::vector<at::Tensor> of_samples;
  for (const uint64_t sample_seed : sample_seeds_) {
    const at::Generator generator = generator_for(seed_of(sample_seed, module, 0, Stream::kDropout));
    at::Tensor factors = at::ones({1, rank});
    if (rates_.module > 0) factors = factors * draw_kept({1}, rates_.module, generator);
    if (rates_.neuron > 0)
      factors = factors * draw_kept({token_count, rank}, rates_.neuron, generator) / (1 - rates_.neuron);
    if (rates_.rank > 0) factors = factors * draw_kept({rank}, rates_.rank, generator) / (1 - rates_.rank);
    of_samples.push_back(factors);
  }
  return at::stack(of_samples);
}

DroppingOut::DroppingOut(BranchDropout& dropout, std::vector<uint64_t> sample_seeds) : dropout_(dropout) {
  dropout_.sample_seeds_ = std::move(sample_seeds);
}

DroppingOut::~DroppingOut() {
  dropout_.sample_seeds_.clear();
}

}  // namespace sdlora::lora
