#include "trainer/run/run_directory.h"

#include <fmt/format.h>

#include "checkpoint/checkpoint_store.h"
#include "comm/fail_together.h"
#include "comm/flight_record.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "monitoring/records/run_files.h"

namespace sdlora::trainer {

void refuse_a_used_directory(const TrainConfig& config, comm::Communicator& world) {
  comm::fail_together(world, [&] {
    if (config.checkpoints.resume != "none") return;
    for (const char* name : {monitoring::kMetricsFileName, monitoring::kAdapterFileName})
      if (std::filesystem::exists(config.places.output / name))
        throw Error(ExitCode::kUsage, {.what = "the output directory already holds a run",
                                       .expected = "an unused directory, for --resume none",
                                       .seen = fmt::format("a {}", name),
                                       .where = config.places.output.string(),
                                       .advice = "choose another --output, or --resume auto to go on"});
  });
}

void open_run_directory(const TrainConfig& config, comm::Communicator& world) {
  comm::fail_together(world, [&] {
    std::error_code failure;
    std::filesystem::create_directories(config.places.output, failure);
    if (failure)
      throw Error(ExitCode::kIo, {.what = "cannot create the output directory",
                                  .seen = failure.message(),
                                  .where = config.places.output.string(),
                                  .advice = "choose another --output, or fix its permissions"});
    log::add_file(config.places.output /
                  (world.rank() == 0 ? "log.txt" : fmt::format("log-rank-{}.txt", world.rank())));
    if (world.rank() != 0) return;
    checkpoint::remove_leftovers(config.places.output);
    comm::set_aside_flight_records(config.places.output);
  });
}

std::filesystem::path flight_record_file(const TrainConfig& config, const comm::Communicator& world) {
  if (config.process.is_dry_run || config.places.output.empty()) return {};
  return config.places.output / comm::flight_record_name(world.rank());
}

void write_resolved_config(const TrainConfig& config, comm::Communicator& world) {
  comm::fail_together(world, [&] {
    if (world.rank() == 0) write_text_atomically(config.places.output / "config.toml", to_toml(config));
  });
}

}  // namespace sdlora::trainer
