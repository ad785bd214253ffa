// The weights of one model part, by name, with the shape the architecture wants. Everything that does not fit
// is collected, so that one error lists all missing, misshapen and unexpected tensors.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <string>

#include <ATen/ATen.h>

#include "model/loading/compute_mode.h"
#include "model/loading/stored_weights.h"
#include "model/loading/weight_edits.h"

namespace sdlora::model {

// A place in the tree of names: weights.at("down_blocks").at(0).tensor("conv.weight", {…}). Cheap to copy.
class WeightSource {
 public:
  // `weights` under canonical names; `where`: what a message says they are from. `edits`, where there are
  // any, must live until all tensors are taken.
  WeightSource(StoredWeights weights, std::filesystem::path where, const ComputeMode& mode,
               const WeightEdits* edits = nullptr);

  WeightSource at(const std::string& name) const;

  const ComputeMode& mode() const;

  WeightSource at(int64_t index) const { return at(std::to_string(index)); }

  // The same place, where maps are the latents halved so often.
  WeightSource on_level(size_t level) const;

  // Of the maps there; unknown where the mode does not say.
  MapSize expected_map() const;

  bool has(const std::string& name) const;

  std::string path() const;  // "down_blocks.0.resnets.0.conv1"; "" at the root

  // The tensor `name` under this place, edited where there are edits of it, converted and moved as the mode
  // says; a view of the mapped file where none of that is needed. An empty tensor when it is missing or
  // misshapen: finish() reports that.
  at::Tensor tensor(const std::string& name, std::initializer_list<int64_t> shape) const;

  // As tensor(), for a matrix [out, in] that old files hold as a 1×1 convolution [out, in, 1, 1].
  at::Tensor matrix(const std::string& name, int64_t out, int64_t in) const;

  // A tensor that the architecture does not have and edits give it, in place of zeros: a bias. An empty
  // tensor where there are none.
  at::Tensor added(const std::string& name, std::initializer_list<int64_t> shape) const;

  // Throws Error(kBadData) that lists what did not fit, if anything; what is no floating-point number
  // (quantised) and what is NaN or infinite first.
  void finish() const;

 private:
  struct State;
  std::string full_name(const std::string& name) const;

  std::shared_ptr<State> state_;
  std::string prefix_;  // "" or "down_blocks.0."
  size_t level_ = 0;
};

}  // namespace sdlora::model
