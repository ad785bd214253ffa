// trainer: trains a LoRA adapter for Stable Diffusion 1.5; started again, it goes on where it was.
//
//   trainer --model sd15 --data cache --output runs/ink                       one rank
//   mpirun -np 8 trainer --config run.toml --mixed-precision bf16             eight, options from a file
#include "comm/run_program.h"
#include "common/log.h"
#include "inference/preview_painter.h"
#include "monitoring/records/run_files.h"
#include "process/cpu_threads.h"
#include "process/device_binding.h"
#include "process/directory_lock.h"
#include "process/program_start.h"
#include "trainer/replay.h"
#include "trainer/run/handshake.h"
#include "trainer/run/run_directory.h"
#include "trainer/trainer.h"

namespace trainer = sdlora::trainer;
namespace process = sdlora::process;

namespace {

// Previews come from inference/, which trainer/ does not know.
trainer::Previews make_previews(const trainer::TrainConfig& config, const trainer::Trainer& run) {
  const auto prompts = trainer::read_preview_prompts(config.previews.prompts);
  const auto painter = std::make_shared<sdlora::inference::PreviewPainter>(
      config.places.model_source(),
      sdlora::inference::PreviewSettings{
          .schedule = config.noise.schedule,
          .reading = run.reading(),
          .step_count = config.previews.step_count,
          .guidance_scale = config.previews.guidance_scale,
          .seed = config.previews.seed,
          .picture_size = config.previews.picture_size(config.places.image_size)},
      prompts, run.device());
  return {config.places.output / sdlora::monitoring::kPreviewsFolderName, prompts, config.previews.of_average,
          /*marks_per_picture=*/config.previews.step_count + 2, [painter](const trainer::PreviewJob& job) {
            painter->paint(job.networks.unet, job.networks.text_reader, job.mode, job.prompt, job.file,
                           job.on_step);
          }};
}

}  // namespace

int main(int argc, char** argv) {
  process::begin_program(argv);
  trainer::TrainConfig config;
  const auto read_options = [&] {
    const auto parsed = trainer::parse_train_config(argc, argv, config);
    return sdlora::comm::Start{parsed, config.process.patience().start_up};
  };
  return sdlora::comm::run_program(&argc, &argv, read_options, [&](sdlora::comm::Communicator& world) {
    process::let_term_save(config.process.on_term == trainer::OnTerm::kSave);
    sdlora::log::set_format(config.watching.log_format);
    sdlora::comm::Watchdog watchdog(sdlora::comm::place_of(world), world.log(), config.process.patience(),
                                    trainer::flight_record_file(config, world));
    trainer::compare_builds_and_settings(world, config);
    trainer::refuse_a_used_directory(config, world);
    const at::Device device =
        process::bind_device({.device = config.compute.device,
                              .kernels = config.compute.is_deterministic ? process::GpuKernels::kDeterministic
                                                                         : process::GpuKernels::kFastest,
                              .allow_gpu_sharing = config.compute.allow_gpu_sharing},
                             world);
    const int cpu_threads = process::set_cpu_threads(config.compute.cpu_threads, world);
    config.settings.resolve("cpu-threads", std::to_string(cpu_threads));
    if (!config.process.replay_directory.empty()) return trainer::replay(config, world, device, watchdog);
    std::unique_ptr<process::DirectoryLock> ownership;
    if (!config.process.is_dry_run) {
      ownership = process::own_run_directory(config.places.output, world);
      trainer::open_run_directory(config, world);
    }
    trainer::Trainer run(config, world, device, watchdog);
    if (!config.previews.every.is_never()) run.show_previews(make_previews(config, run));
    run.show_startup_table();
    if (config.process.is_dry_run) return run.rehearse();
    trainer::write_resolved_config(config, world);
    run.run(process::stop_was_requested);
  });
}
