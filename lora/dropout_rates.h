// How often a branch is left out of a training step, or parts of it: probabilities, 0 … below 1.
#pragma once

namespace sdlora::lora {

struct DropoutRates {
  double neuron = 0;  // each number of A x
  double rank = 0;    // each of a sample's ranks, for all of its tokens
  double module = 0;  // a sample's whole branch, without making up for it

  bool any() const { return neuron > 0 || rank > 0 || module > 0; }
};

}  // namespace sdlora::lora
