#include "trainer/run/run_directory.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "checkpoint/checkpoint_store.h"
#include "comm/fail_together.h"
#include "comm/flight_record.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"
#include "monitoring/records/run_files.h"

namespace sdlora::trainer {

namespace {

namespace fs = std::filesystem;

bool has_checkpoints(const fs::path& directory) {
  std::error_code none;
  return std::any_of(
      fs::directory_iterator(directory, none), fs::directory_iterator(), [](const auto& entry) {
        const std::string name = entry.path().filename().string();
        return name.find(checkpoint::kCheckpointPrefix) <= 1;  // also one that a dead save has moved aside
      });
}

// What a run that begins would replace or write into.
std::vector<std::string> files_in_the_way(const fs::path& directory, std::vector<std::string> names) {
  std::erase_if(names,
                [&](const std::string& name) { return !fs::exists(fs::symlink_status(directory / name)); });
  return names;
}

}  // namespace

void refuse_a_used_directory(const TrainConfig& config, comm::Communicator& world) {
  comm::fail_together(world, [&] {
    const fs::path& output = config.places.output;
    const auto with_adapters = [&](std::vector<std::string> names) {
      names.insert(names.end(), {monitoring::kAdapterFileName, monitoring::kAveragedAdapterFileName,
                                 config.shared_file.file_name(), config.shared_file.averaged_file_name()});
      return names;
    };
    const auto refuse = [&](const std::string& what, const std::vector<std::string>& names,
                            const std::string& advice) {
      if (names.empty()) return;
      throw Error(ExitCode::kUsage,
                  {.what = what,
                   .expected = "an unused directory, or a run of this program with a checkpoint",
                   .seen = fmt::format("{}", fmt::join(names, ", ")),
                   .where = output.string(),
                   .advice = advice});
    };
    if (config.checkpoints.resume == "none")
      return refuse("the output directory already holds a run",
                    files_in_the_way(output, with_adapters({monitoring::kMetricsFileName})),
                    "choose another --output, or --resume auto to go on");
    if (has_checkpoints(output)) return;
    refuse("the output directory holds an adapter that this run would replace",
           files_in_the_way(output, with_adapters({})),
           "choose another --output, or move it; to begin from it, use --init-adapter");
    if (fs::exists(output / monitoring::kLockFileName)) return;  // ours, from before its first checkpoint
    refuse("the output directory holds files of others that this run would replace",
           files_in_the_way(output, {"config.toml", "lora_weights.json", "log.txt", "report.html",
                                     monitoring::kMetricsFileName}),
           "choose another --output");
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
