// Which sampler to make, and the rules by which a model's scheduler file configures it.
//
// The file may belong to any of diffusers' schedulers (Stable Diffusion 1.5 ships PNDM's). As in diffusers'
// `Scheduler.from_config`, a sampler takes the keys it knows from the file and its own class's defaults for
// the rest; that is why two samplers may space their steps differently with one file.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/loading/model_config.h"
#include "model/noise/noise_schedule.h"
#include "model/samplers/sampler.h"

namespace sdlora::model {

struct SamplerRequest {
  std::string name = "dpmpp_2m";
  int64_t step_count = 25;
  bool uses_karras_sigmas = false;  // where the sampler takes them; also when the model's file says so
};

// What there is: a new sampler is a row of the table in sampler_request.cpp.
struct SamplerKind {
  std::string_view name;   // as a request names it
  std::string_view title;  // as other programs call it, in a picture's parameters
  bool takes_karras_sigmas;
  std::unique_ptr<const Sampler> (*make)(const SamplerRequest&, const ModelConfig&, const NoiseSchedule&);
};

// Throws Error(kUsage) for a name that no sampler has.
const SamplerKind& sampler_kind(const std::string& name);

std::vector<std::string> sampler_names();

std::string sampler_alternatives();         // all of them, for a message or a help: "a, b or c"
std::string samplers_with_karras_sigmas();  // those that take them, likewise

// `config`: the model's scheduler file, of which `schedule` was made. Throws Error(kUsage) for an unknown
// name, a step count that does not fit the schedule, or Karras sigmas with another sampler; Error(kBadData)
// naming the key of the file that asks for something this program does not have.
std::unique_ptr<const Sampler> make_sampler(const SamplerRequest& request, const ModelConfig& config,
                                            const NoiseSchedule& schedule);

}  // namespace sdlora::model
