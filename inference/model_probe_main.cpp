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

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](sdlora::comm::Communicator&) {
    sdlora::inference::ProbeRequest request;
    CLI::App app("Runs the parts of a Stable Diffusion model on given tensors.", "model_probe");
    app.add_option("--model", request.model, "model directory in diffusers layout")->required();
    app.add_option("--inputs", request.inputs,
                   "safetensors with any of: unet.sample [B,4,h,w], unet.timestep [B] i64, "
                   "unet.encoder_hidden_states [B,L,C]; vae.pixels [B,3,H,W]; vae.latents [B,4,h,w]; "
                   "text.input_ids [B,77] i64");
    app.add_option("--outputs", request.outputs,
                   "safetensors with unet.out; vae.mean, vae.std; vae.decoded; text.hidden; text.tokens")
        ->required();
    app.add_option("--prompts", request.prompts, "UTF-8 text, one prompt a line, to tokenize");
    app.add_option("--lora", request.lora, "adapter to attach to the UNet");
    app.add_option("--lora-scale", request.lora_scale, "multiplies alpha / rank")->capture_default_str();
    app.add_option("--cpu-kernels", request.cpu_kernels, "what computes UNet and VAE: auto, onednn or aten")
        ->check(CLI::IsMember({"auto", "onednn", "aten"}))
        ->capture_default_str();
    if (sdlora::parse_command_line(app, argc, argv) == sdlora::ParseResult::kLeave) return;
    sdlora::inference::run_probe(request);
  });
}
