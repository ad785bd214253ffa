// convert_adapter: an adapter in the names that other programs read. The input may be ours, kohya's,
// diffusers', PEFT's or ComfyUI's, with the module names of diffusers or of the original UNet.
//
//   convert_adapter run/lora_weights.pt style.safetensors                       # ComfyUI, AUTOMATIC1111
//   convert_adapter run/lora_weights.pt style.safetensors --format diffusers    # load_lora_weights
#include <filesystem>

#include <fmt/format.h>

#include "comm/run_program.h"
#include "common/command_line.h"
#include "common/log.h"
#include "lora/adapter_export.h"

int main(int argc, char** argv) {
  return sdlora::comm::run_program(&argc, &argv, [&](sdlora::comm::Communicator&) {
    using sdlora::lora::ExportNaming;
    std::filesystem::path in, out;
    ExportNaming naming = ExportNaming::kKohya;
    CLI::App app("Writes a LoRA adapter in the names that other programs read.", "convert_adapter");
    app.add_option("IN", in, "adapter: lora_weights.pt, or .safetensors of kohya, diffusers or PEFT")
        ->required();
    app.add_option("OUT", out, "file to write, .safetensors")->required();
    sdlora::OptionSet(app)
        .group("File")
        .add("format", naming, sdlora::Scope::kResult,
             "kohya: ComfyUI, AUTOMATIC1111, sd-scripts; diffusers: load_lora_weights")
        .one_of({{"kohya", ExportNaming::kKohya}, {"diffusers", ExportNaming::kDiffusers}});
    if (sdlora::parse_command_line(app, argc, argv, /*with_config=*/false) == sdlora::ParseResult::kLeave)
      return;
    const sdlora::lora::AdapterFile adapter = sdlora::lora::read_adapter(in);
    sdlora::lora::export_adapter(adapter, out, {.naming = naming});
    if (naming == ExportNaming::kKohya && !adapter.doras.empty())
      sdlora::log::warning(
          "DoRA by output in kohya's names: ComfyUI and Forge draw nearly what was trained "
          "(docs/training.md), "
          "AUTOMATIC1111 divides along the other axis, sd-scripts and diffusers leave the magnitudes out");
    const sdlora::lora::ModuleCounts counts = sdlora::lora::count_modules(adapter);
    sdlora::log::info(fmt::format("{} modules of the UNet and {} of the text encoder → {}", counts.unet,
                                  counts.text_encoder, out.string()));
  });
}
