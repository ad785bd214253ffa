// model_probe: runs the parts of a model on given tensors and saves what they say. A diagnostic: the parity
// tests drive it, and a user can compare a model in two programs with it.
//
//   model_probe --model sd15 --inputs in.safetensors --outputs out.safetensors
//   model_probe --model sd15 --lora lora_weights.pt --inputs in.safetensors --outputs out.safetensors
//   model_probe --model sd15 --prompts prompts.txt --outputs tokens.safetensors
#include <fmt/format.h>

#include "comm/run_program.h"
#include "common/command_line.h"
#include "inference/model_probe.h"

namespace {

void declare(sdlora::OptionGroup group, sdlora::inference::ProbeRequest& request) {
  using sdlora::Scope;
  group
      .add("model", request.model, Scope::kRank,
           "directory in diffusers layout, checkpoint file, or id in the local Hugging Face cache")
      .required();
  group.add("vae", request.vae, Scope::kRank, "VAE in place of the model's own: a file or a directory");
  group.add("inputs", request.inputs, Scope::kRank,
            "safetensors with any of: unet.sample [B,4,h,w], unet.timestep [B] i64, "
            "unet.encoder_hidden_states [B,L,C], and if wanted unet.timestep_cond [B,D]; vae.pixels "
            "[B,3,H,W]; vae.latents [B,4,h,w]; "
            "text.input_ids [B,77] i64");
  group
      .add("outputs", request.outputs, Scope::kRank,
           "safetensors with unet.out; vae.mean, vae.std; vae.decoded; text.hidden; text.tokens")
      .required();
  group.add("prompts", request.prompts, Scope::kRank, "UTF-8 text, one prompt a line, to tokenize");
  group.add("lora", request.lora, Scope::kRank,
            "adapter to run with, as often as wanted: FILE or FILE:SCALE");
  group.add("lora-scale", request.lora_scale, Scope::kResult,
            "how much a --lora counts that has no scale of its own");
  group
      .add("cpu-kernels", request.cpu_kernels, Scope::kRun,
           "what computes UNet and VAE: auto, onednn or aten")
      .one_of(sdlora::model::kernels::cpu_kernel_words());
}

}  // namespace

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](sdlora::comm::Communicator&) {
    sdlora::inference::ProbeRequest request;
    CLI::App app("Runs the parts of a Stable Diffusion model on given tensors.", "model_probe");
    declare(sdlora::OptionSet(app).group("Probe"), request);
    if (sdlora::parse_command_line(app, argc, argv) == sdlora::ParseResult::kLeave) return;
    sdlora::inference::run_probe(request);
  });
}
