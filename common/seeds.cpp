#include "common/seeds.h"

#include <ATen/CPUGeneratorImpl.h>

namespace sdlora {
namespace {

uint64_t split_mix(uint64_t state) {
  state += 0x9E3779B97F4A7C15ULL;
  state = (state ^ (state >> 30)) * 0xBF58476D1CE4E5B9ULL;
  state = (state ^ (state >> 27)) * 0x94D049BB133111EBULL;
  return state ^ (state >> 31);
}

}  // namespace

uint64_t seed_of(uint64_t run_seed, uint64_t step, uint64_t slot, Stream stream) {
  uint64_t hash = split_mix(run_seed);
  hash = split_mix(hash ^ step);
  hash = split_mix(hash ^ slot);
  hash = split_mix(hash ^ static_cast<uint64_t>(stream));
  return hash >> 1;
}

at::Generator generator_for(uint64_t seed) {
  return at::detail::createCPUGenerator(seed);
}

}  // namespace sdlora
