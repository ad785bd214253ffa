#include "model/samplers/sampler_request.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/error.h"
#include "model/samplers/ddim.h"
#include "model/samplers/dpmpp_2m.h"
#include "model/samplers/euler_ancestral.h"

namespace sdlora::model {
namespace {

using SamplerPointer = std::unique_ptr<const Sampler>;

const SamplerKind kSamplerKinds[] = {
    {.name = "dpmpp_2m",
     .title = "DPM++ 2M",
     .takes_karras_sigmas = true,
     .make = [](const SamplerRequest& request, const ModelConfig& config,
                const NoiseSchedule& schedule) -> SamplerPointer {
       return std::make_unique<Dpmpp2m>(config, schedule, request.step_count, request.uses_karras_sigmas);
     }},
    {.name = "ddim",
     .title = "DDIM",
     .takes_karras_sigmas = false,
     .make = [](const SamplerRequest& request, const ModelConfig& config, const NoiseSchedule& schedule)
         -> SamplerPointer { return std::make_unique<Ddim>(config, schedule, request.step_count); }},
    {.name = "euler_a",
     .title = "Euler a",
     .takes_karras_sigmas = false,
     .make = [](const SamplerRequest& request, const ModelConfig& config,
                const NoiseSchedule& schedule) -> SamplerPointer {
       return std::make_unique<EulerAncestral>(config, schedule, request.step_count);
     }},
};

// "a, b or c"
std::string alternatives(const std::vector<std::string>& names) {
  std::string text = names.front();
  for (size_t i = 1; i < names.size(); ++i) text += (i + 1 == names.size() ? " or " : ", ") + names[i];
  return text;
}

}  // namespace

const SamplerKind& sampler_kind(const std::string& name) {
  const auto* kind = std::ranges::find(kSamplerKinds, name, &SamplerKind::name);
  if (kind == std::end(kSamplerKinds))
    throw Error(ExitCode::kUsage,
                {.what = "there is no such sampler", .expected = sampler_alternatives(), .seen = name});
  return *kind;
}

std::vector<std::string> sampler_names() {
  std::vector<std::string> names;
  names.reserve(std::size(kSamplerKinds));
  for (const SamplerKind& kind : kSamplerKinds) names.emplace_back(kind.name);
  return names;
}

std::string sampler_alternatives() {
  return alternatives(sampler_names());
}

std::string samplers_with_karras_sigmas() {
  std::vector<std::string> names;
  for (const SamplerKind& kind : kSamplerKinds)
    if (kind.takes_karras_sigmas) names.emplace_back(kind.name);
  return alternatives(names);
}

SamplerPointer make_sampler(const SamplerRequest& request, const ModelConfig& config,
                            const NoiseSchedule& schedule) {
  const SamplerKind& kind = sampler_kind(request.name);
  if (request.uses_karras_sigmas && !kind.takes_karras_sigmas)
    throw Error(ExitCode::kUsage,
                {.what = fmt::format("Karras sigmas are an option of {} only", samplers_with_karras_sigmas()),
                 .seen = "sampler " + request.name});
  return kind.make(request, config, schedule);
}

}  // namespace sdlora::model
