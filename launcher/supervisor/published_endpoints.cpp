#include "launcher/supervisor/published_endpoints.h"

#include <fmt/format.h>
#include <unistd.h>

#include "common/log.h"
#include "monitoring/metrics/scrape_endpoints.h"

namespace sdlora::launcher {

PublishedEndpoints::PublishedEndpoints(const std::filesystem::path& directory,
                                       const std::filesystem::path& output) {
  if (directory.empty()) return;
  const auto link = directory / fmt::format("sdlora-{}-{}.json", output.filename().string(), ::getpid());
  std::error_code failure;
  std::filesystem::remove(link, failure);  // of an older process with our number
  std::filesystem::create_symlink(output / monitoring::kMetricsTargetsFile, link, failure);
  if (failure)
    log::warning(fmt::format("metrics targets are not published: {}: {}", link.string(), failure.message()));
  else
    link_ = link;
}

PublishedEndpoints::~PublishedEndpoints() {
  std::error_code ignored;  // a link that stays points to targets that are down, which Prometheus shows
  if (!link_.empty()) std::filesystem::remove(link_, ignored);
}

}  // namespace sdlora::launcher
