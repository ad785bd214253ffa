#include "model/samplers/sampler_request.h"

#include "common/error.h"
#include "model/samplers/ddim.h"
#include "model/samplers/dpmpp_2m.h"
#include "model/samplers/euler_ancestral.h"

namespace sdlora::model {

std::vector<std::string> sampler_names() {
  return {"dpmpp_2m", "ddim", "euler_a"};
}

std::unique_ptr<const Sampler> make_sampler(const SamplerRequest& request, const ModelConfig& config,
                                            const NoiseSchedule& schedule) {
  if (request.name == "dpmpp_2m")
    return std::make_unique<Dpmpp2m>(config, schedule, request.step_count, request.uses_karras_sigmas);
  if (request.uses_karras_sigmas)
    throw Error(ExitCode::kUsage,
                {.what = "Karras sigmas are an option of dpmpp_2m only", .seen = "sampler " + request.name});
  if (request.name == "ddim") return std::make_unique<Ddim>(config, schedule, request.step_count);
  if (request.name == "euler_a")
    return std::make_unique<EulerAncestral>(config, schedule, request.step_count);
  throw Error(
      ExitCode::kUsage,
      {.what = "there is no such sampler", .expected = "dpmpp_2m, ddim or euler_a", .seen = request.name});
}

}  // namespace sdlora::model
