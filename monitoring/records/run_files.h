// The names in a run's directory that several rooms write or read. Others stand with their owners:
// checkpoints in checkpoint/checkpoint_store.h, metrics_targets.json in
// monitoring/metrics/scrape_endpoints.h.
#pragma once

#include <filesystem>
#include <string>

namespace sdlora::monitoring {

inline constexpr const char* kMetricsFileName = "metrics.jsonl";                // a line per step
inline constexpr const char* kAdapterFileName = "lora_weights.pt";              // of the last step
inline constexpr const char* kAveragedAdapterFileName = "lora_weights_ema.pt";  // its moving average
inline constexpr const char* kLockFileName = "trainer.lock";    // of the process that owns the directory
inline constexpr const char* kPreviewsFolderName = "previews";  // step-000100/00.png … and prompts.txt

// "ink" of "runs/ink/", also of "." when that is where this process is.
std::string run_name(const std::filesystem::path& run_directory);

// Tells it from a run of the same name elsewhere, and stays when it is started again: eight hexadecimal
// digits of a hash of the directory's place and inode.
std::string run_id(const std::filesystem::path& run_directory);

}  // namespace sdlora::monitoring
