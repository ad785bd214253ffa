// The trained part of the model: every A and B in one flat fp32 buffer, their gradients in another, so that
// clipping, the update and the all-reduce are one operation each.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/named_tensors.h"
#include "lora/adapter_module.h"
#include "lora/branch.h"
#include "lora/lora_config.h"
#include "lora/magnitude.h"
#include "model/clip/clip_text_encoder.h"
#include "model/unet/unet.h"

namespace sdlora::lora {

class Adapter {
 public:
  using Module = AdapterModule;

  // Replaces the targeted layers of `unet` and `text_encoder` (or null) by ones with a branch; A Kaiming
  // uniform with a = √5 (He et al. 2015), that is uniform within ±1/√in, drawn from seed_of(run_seed, 0,
  // module, kLoraInit); B zero. The rest stays frozen. Throws Error(kUsage) when nothing matches the targets
  // or a pattern, or a rank cannot be used.
  Adapter(model::UNet& unet, const LoraConfig& config, uint64_t run_seed, at::Device device,
          model::ClipTextEncoder* text_encoder = nullptr);

  const LoraConfig& config() const { return config_; }

  const std::vector<Module>& modules() const { return modules_; }

  int64_t parameter_count() const { return parameters_.numel(); }

  // [parameter_count] f32: A, B of module 0, A, B of module 1 …
  at::Tensor& parameters() { return parameters_; }

  const at::Tensor& parameters() const { return parameters_; }

  at::Tensor& gradients() { return gradients_; }  // [parameter_count] f32

  BranchDropout& dropout() { return *dropout_; }

  // Works out anew what is made of parameters that have changed: their values in 16 bits, DoRA's gains. A
  // forward does it when it has to; a CUDA graph that is replayed does not.
  void refresh();

  at::Tensor a(size_t module) const { return a_of(parameters_, module); }  // [r, in], a view

  at::Tensor b(size_t module) const { return b_of(parameters_, module); }  // [out, r], a view

  // By path, of the modules whose alpha is not config().alpha.
  std::map<std::string, double> other_alphas() const;

  // [out], a view; undefined without DoRA.
  at::Tensor magnitude(size_t module) const { return magnitude_of(parameters_, module); }

  // For values of A and B that come from a LoRA: the magnitudes that make them the same function.
  void set_magnitudes_to_lengths();

  // "<path>.lora_A" and "<path>.lora_B", and of DoRA "<path>.lora_magnitude_vector", copies on the CPU. The
  // file format's names and shapes.
  checkpoint::NamedTensors named_tensors() const;

  // Takes the values of named_tensors(). Throws Error(kBadData) listing names or shapes that do not fit.
  void load(const checkpoint::NamedTensors& tensors);

 private:
  at::Tensor a_of(const at::Tensor& flat, size_t module) const;  // [r, in], a view
  at::Tensor b_of(const at::Tensor& flat, size_t module) const;  // [out, r], a view
  at::Tensor magnitude_of(const at::Tensor& flat, size_t module) const;
  Branch branch_of(size_t module);

  // Puts a Lora or a Dora in the place of what `slot` holds.
  template <typename Lora, typename Dora, typename Slot>
  void attach(Slot& slot, size_t module);

  LoraConfig config_;
  std::vector<Module> modules_;
  std::vector<int64_t> offsets_;  // of each module's A in the flat buffers
  at::Tensor parameters_;
  at::Tensor gradients_;
  std::shared_ptr<RoundedParameters> rounded_;
  std::shared_ptr<BranchDropout> dropout_;
  std::vector<std::shared_ptr<Magnitude>> magnitudes_;  // of every module, or none
};

// How much of the model is trained, as one line: modules, parameters, per cent of `base_parameter_count`.
std::string describe(const Adapter& adapter, int64_t base_parameter_count);

}  // namespace sdlora::lora
