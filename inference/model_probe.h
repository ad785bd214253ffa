// Runs the parts of a model on given tensors; see model_probe_main.cpp for the names.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "model/kernels/cpu_kernels.h"

namespace sdlora::inference {

struct ProbeRequest {
  std::filesystem::path model;
  std::filesystem::path vae;     // in place of the model's own; empty: that
  std::filesystem::path inputs;  // empty: none
  std::filesystem::path outputs;
  std::filesystem::path prompts;  // empty: none
  std::vector<std::string> lora;  // FILE or FILE:SCALE
  double lora_scale = 1;          // of those without a scale of their own
  model::kernels::CpuKernelWish cpu_kernels =
      model::kernels::CpuKernelWish::kAuto;  // of the UNet and the VAE
};

// Loads only the parts that the inputs ask for, in fp32 on the CPU. Throws Error(kUsage) when nothing is
// asked for, Error(kBadData) for an input that does not fit.
void run_probe(const ProbeRequest& request);

}  // namespace sdlora::inference
