// Every random draw of a run has an address: (run seed, step, slot, stream). It never depends on a rank, a
// thread or what was drawn before, so any number of ranks, and a resumed run, draw the same numbers.
#pragma once

#include <cstdint>

#include <ATen/Generator.h>

namespace sdlora {

// What a draw is for. The numbers are part of the exactness contract: append, never renumber.
enum class Stream : uint64_t {
  kPermutation = 0,         // (seed, epoch, size): order of the samples of a size in an epoch
  kPosteriorNoise = 1,      // (seed, step, slot): latent = mean + std * noise
  kNoise = 2,               // (seed, step, slot): the noise the UNet predicts
  kTimestep = 3,            // (seed, step, slot): the timestep
  kLoraInit = 4,            // (seed, 0, module index): Kaiming-uniform A
  kHeldOut = 5,             // (0, 0, 0): which pictures are held out for validation, whatever the run's seed
  kValidationNoise = 6,     // (0, sample, quarter): the noise of a validation, the same at every step
  kValidationTimestep = 7,  // (0, sample, quarter): uniform in that quarter of 0 … T-1
  kCaption = 8,             // (seed, step, slot): the text that is made of a caption
  kMicroBatchOrder = 9,     // (seed, epoch, 0): order of an epoch's micro-batches, where sizes differ
  kFlip = 10,               // (seed, step, slot): whether a sample is the mirror image, by chance
  kInputNoise = 11,         // (seed, step, slot): noise in the input that the UNet does not predict
  kDropout = 12,            // (seed, step, slot): a seed, of whose (seed, module, 0) dropout is drawn
};

// SplitMix64 (Steele et al. 2014, "Fast splittable pseudorandom number generators") folded over the four
// words. The result is in 0 … 2^63-1, which torch.Generator.manual_seed takes in C++ and in Python alike.
uint64_t seed_of(uint64_t run_seed, uint64_t step, uint64_t slot, Stream stream);

// A CPU generator, seeded; draws from it equal those of Python's torch.Generator().manual_seed(seed).
at::Generator generator_for(uint64_t seed);

}  // namespace sdlora
