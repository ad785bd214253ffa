// The run's metrics endpoints where a Prometheus server looks for them (file_sd_configs).
#pragma once

#include <filesystem>

namespace sdlora::launcher {

// While it lives, `directory` holds a link sdlora-<name of the output>-<process>.json to the output's
// metrics_targets.json, which the trainer writes anew at every start. An empty `directory` publishes nothing;
// one that cannot be written gets a warning.
class PublishedEndpoints {
 public:
  PublishedEndpoints(const std::filesystem::path& directory, const std::filesystem::path& output);
  ~PublishedEndpoints();

  PublishedEndpoints(const PublishedEndpoints&) = delete;
  PublishedEndpoints& operator=(const PublishedEndpoints&) = delete;

 private:
  std::filesystem::path link_;  // empty: there is none
};

}  // namespace sdlora::launcher
