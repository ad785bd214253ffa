#include "inference/model_probe.h"

#include <fstream>
#include <optional>

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>
#include <fmt/format.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "common/log.h"
#include "inference/model_adapters.h"
#include "model/model_source.h"

namespace sdlora::inference {
namespace {

using checkpoint::NamedTensors;

// The input of that name, of that many dimensions and type.
const at::Tensor& input(const NamedTensors& inputs, const std::string& name, int64_t dimensions,
                        at::ScalarType dtype) {
  const auto found = inputs.find(name);
  if (found == inputs.end() || found->second.dim() != dimensions || found->second.scalar_type() != dtype)
    throw Error(
        ExitCode::kBadData,
        {.what = "an input of model_probe does not fit",
         .expected = fmt::format("{} with {} dimensions of {}", name, dimensions, at::toString(dtype)),
         .seen = found == inputs.end() ? "nothing of that name"
                                       : fmt::format("{} dimensions of {}", found->second.dim(),
                                                     at::toString(found->second.scalar_type()))});
  return found->second;
}

void probe_unet(const ProbeRequest& request, const model::ModelSource& source,
                const model::WeightEdits* edits, const NamedTensors& inputs, NamedTensors& outputs) {
  const at::Tensor& sample = input(inputs, "unet.sample", 4, at::kFloat);
  const model::ComputeMode mode =
      model::compute_mode_on(at::kCPU, at::kFloat, request.cpu_kernels, {sample.size(2), sample.size(3)});
  const model::UNet unet = source.load_unet(mode, edits);
  const at::Tensor guidance = unet.config().guidance_channels > 0 && inputs.contains("unet.timestep_cond")
                                  ? input(inputs, "unet.timestep_cond", 2, at::kFloat)
                                  : at::Tensor();
  outputs["unet.out"] = unet.forward(sample, input(inputs, "unet.timestep", 1, at::kLong),
                                     input(inputs, "unet.encoder_hidden_states", 3, at::kFloat), guidance);
}

void probe_vae(const ProbeRequest& request, const model::ModelSource& source, const NamedTensors& inputs,
               NamedTensors& outputs) {
  const model::Vae vae = source.load_vae(model::compute_mode_on(at::kCPU, at::kFloat, request.cpu_kernels));
  if (inputs.contains("vae.pixels")) {
    const model::Posterior posterior = vae.encode(input(inputs, "vae.pixels", 4, at::kFloat));
    outputs["vae.mean"] = posterior.mean;
    outputs["vae.std"] = posterior.std;
  }
  if (inputs.contains("vae.latents"))
    outputs["vae.decoded"] = vae.decode(input(inputs, "vae.latents", 4, at::kFloat));
}

at::Tensor tokenize(const std::filesystem::path& file,
                    const model::ClipTokenizer& tokenizer) {  // [n, 77] i64
  std::ifstream lines(file, std::ios::binary);
  if (!lines) throw io_error("cannot read the prompts", file, "check --prompts");
  std::vector<int64_t> ids;
  for (std::string line; std::getline(lines, line);) {
    const std::vector<int64_t> tokens = tokenizer.encode(line);
    ids.insert(ids.end(), tokens.begin(), tokens.end());
  }
  return at::tensor(ids, at::kLong).view({-1, tokenizer.max_length()});
}

}  // namespace

void run_probe(const ProbeRequest& request) {
  if (request.inputs.empty() && request.prompts.empty())
    throw Error(ExitCode::kUsage,
                {.what = "model_probe has nothing to run", .expected = "--inputs, --prompts or both"});
  const c10::NoGradGuard no_gradients;
  const model::ModelSource source(request.model, request.vae);
  NamedTensors outputs;
  const NamedTensors inputs =
      request.inputs.empty() ? NamedTensors() : checkpoint::read_safetensors(request.inputs);
  std::optional<ModelAdapters> adapters;
  if (!request.lora.empty())
    adapters.emplace(model::UNetConfig::read(source.config_of(model::ModelPart::kUnet)),
                     model::ClipTextConfig::read(source.config_of(model::ModelPart::kTextEncoder)),
                     lora::adapter_requests(request.lora, request.lora_scale));
  const model::WeightEdits* edits = adapters ? &adapters->edits() : nullptr;
  if (inputs.contains("unet.sample")) probe_unet(request, source, edits, inputs, outputs);
  if (inputs.contains("vae.pixels") || inputs.contains("vae.latents"))
    probe_vae(request, source, inputs, outputs);
  if (inputs.contains("text.input_ids"))
    outputs["text.hidden"] =
        source.load_text_encoder({}, edits).encode(input(inputs, "text.input_ids", 2, at::kLong));
  if (!request.prompts.empty()) outputs["text.tokens"] = tokenize(request.prompts, source.load_tokenizer());
  checkpoint::write_safetensors(request.outputs, outputs);
  for (const auto& [name, tensor] : outputs)
    log::info(fmt::format("{} {} → {}", name, c10::str(tensor.sizes()), request.outputs.string()));
}

}  // namespace sdlora::inference
