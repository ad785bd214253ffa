// metrics_targets.json: tells Prometheus which endpoints a run has (file_sd_configs). If the run dies the
// file stays, so Prometheus reports the ranks as down. A run that ends normally empties it.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::monitoring {

inline constexpr const char* kMetricsTargetsFile = "metrics_targets.json";

// (rank 0 only) Writes [{"targets":["127.0.0.1:18400"],"labels":{"job":"sdlora","run":"ink","rank":"0"}}, …]
// complete or not at all, since Prometheus reads it at any moment. `run` is the name of the directory.
// `addresses`: by rank; a rank without one is left out. Throws Error(kIo).
void write_metrics_targets(const std::filesystem::path& run_directory,
                           const std::vector<std::string>& addresses);

// (rank 0 only) The run has ended in order: an empty list, since Prometheus keeps the targets of a file that
// it cannot read any more, as behind a link. A failure is ignored: at worst an alert that nobody needs.
void empty_metrics_targets(const std::filesystem::path& run_directory);

}  // namespace sdlora::monitoring
