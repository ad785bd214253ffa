// The names in a run's directory that several rooms write or read. Others stand with their owners:
// checkpoints in checkpoint/checkpoint_store.h, metrics_targets.json in
// monitoring/metrics/scrape_endpoints.h.
#pragma once

namespace sdlora::monitoring {

inline constexpr const char* kMetricsFileName = "metrics.jsonl";    // a line per step
inline constexpr const char* kAdapterFileName = "lora_weights.pt";  // of the last step
inline constexpr const char* kPreviewsFolderName = "previews";      // step-000100/00.png … and prompts.txt

}  // namespace sdlora::monitoring
