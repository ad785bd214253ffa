// adapter: looks at adapters' files and makes others of them. The input may be ours, kohya's, diffusers',
// PEFT's or ComfyUI's, with the module names of diffusers or of the original UNet.
//
//   adapter inspect style.safetensors                                                what it is
//   adapter convert run/lora_weights.pt --output style.safetensors                   ComfyUI, AUTOMATIC1111
//   adapter convert style.safetensors --output style-d.safetensors --format diffusers   load_lora_weights
//   adapter merge ink.safetensors:0.7 fox.safetensors:0.3 --output both.safetensors
//   adapter resize big.safetensors --rank 16 --output small.safetensors
#include "comm/run_program.h"
#include "common/command_line.h"
#include "lora/tools/adapter_commands.h"

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](sdlora::comm::Communicator&) {
    CLI::App app("Looks at LoRA adapters' files, and makes others of them.", "adapter");
    const sdlora::lora::AdapterCommands commands(app);
    if (sdlora::parse_command_line(app, argc, argv, /*with_config=*/false) == sdlora::ParseResult::kRun)
      commands.run();
  });
}
