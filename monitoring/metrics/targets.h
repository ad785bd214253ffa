// metrics_targets.json: tells Prometheus which endpoints a run has (file_sd_configs). It is there while the
// run lives, and stays when it dies, so that a run which ended in order does not look like a dead one.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::monitoring {

// (rank 0 only) Writes [{"targets":["127.0.0.1:9400"],"labels":{"job":"sdlora","run":"ink","rank":"0"}}, …]
// complete or not at all, since Prometheus reads it at any moment. `run` is the name of the directory.
// `addresses`: by rank; a rank without one is left out. Throws Error(kIo).
void write_metrics_targets(const std::filesystem::path& run_directory,
                           const std::vector<std::string>& addresses);

// (rank 0 only) A file that cannot be removed is left: at worst an alert that nobody needs.
void remove_metrics_targets(const std::filesystem::path& run_directory);

}  // namespace sdlora::monitoring
