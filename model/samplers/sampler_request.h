// Which sampler to make, and the rules by which a model's scheduler file configures it.
//
// The file may belong to any of diffusers' schedulers (Stable Diffusion 1.5 ships PNDM's). As in diffusers'
// `Scheduler.from_config`, a sampler takes the keys it knows from the file and its own class's defaults for
// the rest; that is why two samplers may space their steps differently with one file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "model/loading/model_config.h"
#include "model/noise/noise_schedule.h"
#include "model/samplers/sampler.h"

namespace sdlora::model {

struct SamplerRequest {
  std::string name = "dpmpp_2m";
  int64_t step_count = 25;
  bool uses_karras_sigmas = false;  // dpmpp_2m only; also when the model's file says so
};

std::vector<std::string> sampler_names();

// `config`: the model's scheduler file, of which `schedule` was made. Throws Error(kUsage) for an unknown
// name, a step count that does not fit the schedule, or Karras sigmas with another sampler; Error(kBadData)
// naming the key of the file that asks for something this program does not have.
std::unique_ptr<const Sampler> make_sampler(const SamplerRequest& request, const ModelConfig& config,
                                            const NoiseSchedule& schedule);

}  // namespace sdlora::model
