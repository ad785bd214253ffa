#include "monitoring/metrics/scrape_endpoints.h"

#include <nlohmann/json.hpp>

#include "common/atomic_file.h"
#include "common/error.h"
#include "monitoring/records/run_files.h"

namespace sdlora::monitoring {

void write_metrics_targets(const std::filesystem::path& run_directory,
                           const std::vector<std::string>& addresses) {
  using Json = nlohmann::ordered_json;
  const std::string run = run_name(run_directory), id = run_id(run_directory);
  Json groups = Json::array();
  for (size_t rank = 0; rank < addresses.size(); ++rank)
    if (!addresses[rank].empty())
      groups.push_back(
          {{"targets", {addresses[rank]}},
           {"labels", {{"job", "sdlora"}, {"run", run}, {"run_id", id}, {"rank", std::to_string(rank)}}}});
  write_text_atomically(run_directory / kMetricsTargetsFile,
                        groups.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

void empty_metrics_targets(const std::filesystem::path& run_directory) {
  try {
    write_metrics_targets(run_directory, {});
  } catch (const Error&) {
  }
}

}  // namespace sdlora::monitoring
