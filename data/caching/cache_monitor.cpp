#include "data/caching/cache_monitor.h"

#include <filesystem>
#include <system_error>

#include <ATen/Version.h>

#include "monitoring/metrics/memory_metrics.h"
#include "monitoring/metrics/run_info.h"
#include "monitoring/metrics/scrape_endpoints.h"

namespace sdlora::data {

CacheMonitor::CacheMonitor(const CacheCommand& command, comm::Communicator& world)
    : output_(command.options.output),
      is_first_rank_(world.rank() == 0),
      endpoint_(registry_, command.metrics.of_rank(world.local_rank())),
      addresses_(world.gather(endpoint_.target())) {
  const at::Device device = command.options.device;
  monitoring::export_build(registry_, device.is_cuda() ? "CUDA" : at::get_cpu_capability());
  monitoring::export_world_size(registry_, world.size());
  monitoring::export_memory(registry_, device);
}

void CacheMonitor::show(const CacheMark& mark) {
  metrics_.record(mark.own_count, mark.own_encoded_count, mark.own_reused_count);
  if (!is_first_rank_) return;
  if (!bar_) {
    monitoring::write_metrics_targets(output_, addresses_);
    bar_.emplace(mark.total_count, "encoding", "images");
  }
  bar_->update(mark.done_count);
}

void CacheMonitor::finish() {
  if (bar_) bar_->finish();
  if (is_first_rank_) take_targets_away();
}

CacheMonitor::~CacheMonitor() {
  if (bar_) take_targets_away();
}

void CacheMonitor::take_targets_away() const {
  std::error_code ignored;
  if (!std::filesystem::exists(output_ / monitoring::kMetricsTargetsFile, ignored)) return;
  monitoring::empty_metrics_targets(output_);  // read as "nothing", before the file goes
  std::filesystem::remove(output_ / monitoring::kMetricsTargetsFile, ignored);
}

}  // namespace sdlora::data
