// generate: makes pictures with a Stable Diffusion model and, if wanted, an adapter that trainer wrote.
//
//   generate --model sd15 --prompt "a lighthouse, ink drawing" --output lighthouse.png
//   generate --model sd15 --lora runs/ink/lora_weights.pt --prompt "a lighthouse" --num-images 4
//     --output lighthouse.png
//   generate --model sd15 --prompt "a lighthouse" --init-image photo.jpg --strength 0.65 --output drawn.png
//   generate --model sd15 --prompt-file prompts.txt --output pictures
#include <optional>

#include <unistd.h>

#include "comm/run_program.h"
#include "common/command_line.h"
#include "common/error.h"
#include "inference/generate.h"
#include "monitoring/terminal/progress_bar.h"
#include "process/cpu_threads.h"
#include "process/device_binding.h"
#include "process/program_start.h"

namespace {

using sdlora::monitoring::ProgressBar;

// When all steps are done only files are left to write.
void leave_if_asked(int64_t steps_done, int64_t step_count) {
  if (steps_done == step_count || !sdlora::process::stop_was_requested()) return;
  throw sdlora::Error(sdlora::ExitCode::kStopped,
                      "stopped by a signal; the pictures that were finished are kept");
}

// A bar from the first step on, for someone who watches; and an ear for signals.
sdlora::inference::GenerateProgress show_progress(std::optional<ProgressBar>& bar) {
  const bool is_watched = ::isatty(STDERR_FILENO) == 1;
  return [&bar, is_watched](int64_t steps_done, int64_t step_count) {
    if (is_watched && !bar) bar.emplace(step_count, "generating", "steps");
    if (bar) bar->update(steps_done);
    leave_if_asked(steps_done, step_count);
  };
}

void refuse_ranks(const sdlora::comm::Communicator& world) {
  if (world.size() == 1) return;
  throw sdlora::Error(sdlora::ExitCode::kUsage, {.what = "generate is one process",
                                                 .seen = sdlora::comm::place_of(world),
                                                 .advice = "start it without mpirun"});
}

}  // namespace

int main(int argc, char** argv) {
  sdlora::process::begin_program(argv);
  return sdlora::comm::run_program(&argc, &argv, [&](sdlora::comm::Communicator& world) {
    sdlora::inference::GenerateOptions options;
    CLI::App app("Makes pictures with Stable Diffusion 1.5 and a LoRA adapter.", "generate");
    sdlora::inference::declare_options(app, options);
    if (sdlora::parse_command_line(app, argc, argv) == sdlora::ParseResult::kLeave) return;
    sdlora::inference::check_options(options);
    refuse_ranks(world);
    const at::Device device = sdlora::process::bind_device({.device = options.device}, world);
    sdlora::process::set_cpu_threads(options.cpu_threads, world);

    std::optional<ProgressBar> bar;
    sdlora::inference::generate(options, device, show_progress(bar));
  });
}
