// cache_latents: makes a cache of latents and text embeddings from a folder of images with captions.
//
//   cache_latents --model sd15 --images photos --output cache
//   cache_latents --model sd15 --images photos --output cache --training-caption "a photo of sks dog" --flip
//   mpirun -np 4 cache_latents --model sd15 --images photos --output cache
//   cache_latents verify cache
//   cache_latents info cache
//
// Run the same command again after an interruption: it goes on with the pictures that are missing.
#include <iostream>

#include "comm/run_program.h"
#include "common/command_line.h"
#include "common/log.h"
#include "data/caching/cache_command_line.h"
#include "data/caching/cache_commands.h"
#include "data/caching/cache_latents.h"
#include "data/caching/cache_monitor.h"
#include "process/device_binding.h"
#include "process/program_start.h"

namespace {

using sdlora::comm::Communicator;
using sdlora::data::CacheCommand;
using sdlora::data::ImageLoader;
namespace log = sdlora::log;

// (all ranks)
void make_cache(CacheCommand& command, Communicator& world, ImageLoader& loader) {
  command.options.device =
      sdlora::process::bind_device({.device = command.device, .allow_gpu_sharing = true}, world);
  command.options.encoder_threads = sdlora::data::encoder_threads(command, world.local_size());
  command.options.stop_requested = sdlora::process::stop_was_requested;
  sdlora::data::CacheMonitor monitor(command, world);
  const auto report = sdlora::data::cache_latents(command.options, world, loader,
                                                  [&](const auto& mark) { monitor.show(mark); });
  monitor.finish();
  if (world.rank() == 0) {
    log::info(sdlora::data::report_text(report, command.options.output));
    if (!report.bucket_table.empty()) log::info("aspect buckets\n" + report.bucket_table);
    if (!report.data_report.empty()) log::info("the data set\n" + report.data_report);
    if (!report.mask_summary.empty()) log::info(report.mask_summary);
    if (!report.skipped.empty()) log::warning(sdlora::data::skipped_text(report));
    if (const std::string text = sdlora::data::left_out_text(report); !text.empty()) log::warning(text);
  }
  if (command.options.is_strict) sdlora::data::refuse_skipped(report.skipped);
}

}  // namespace

int main(int argc, char** argv) {
  sdlora::process::begin_program(argv);
  ImageLoader loader;  // forks, so it comes before MPI and threads
  return sdlora::comm::run_program(&argc, &argv, [&](Communicator& world) {
    CLI::App app("Makes a cache of latents and text embeddings from a folder of images with captions.",
                 "cache_latents");
    CacheCommand command;
    sdlora::data::declare_options(app, command);
    if (sdlora::parse_command_line(app, argc, argv) == sdlora::ParseResult::kLeave) return;
    const bool speaks = world.rank() == 0;
    if (command.wants_verify) {
      if (speaks) std::cout << sdlora::data::verify_text(command.cache);
    } else if (command.wants_info) {
      if (speaks) std::cout << sdlora::data::info_text(command.cache);
    } else {
      sdlora::data::check_options(command);
      make_cache(command, world, loader);
    }
  });
}
