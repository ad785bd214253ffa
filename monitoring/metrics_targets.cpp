#include "monitoring/metrics_targets.h"

#include <nlohmann/json.hpp>

#include "monitoring/replace_file.h"

namespace sdlora::monitoring {

void write_metrics_targets(const std::filesystem::path& file, const std::vector<MetricsTarget>& targets) {
  auto groups = nlohmann::ordered_json::array();
  for (const MetricsTarget& target : targets) {
    if (target.address.empty()) continue;
    nlohmann::ordered_json group;
    group["targets"] = {target.address};
    group["labels"] = nlohmann::ordered_json::object();
    for (const auto& [name, value] : target.labels) group["labels"][name] = value;
    groups.push_back(std::move(group));
  }
  replace_file(file, groups.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace sdlora::monitoring
