// The previews of a run, as a report shows them: prompts down, steps across, the pictures inside the page.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sdlora::monitoring {

struct ReportPicture {
  int64_t step;
  size_t prompt;         // in ReportPictures::prompts
  std::string data_uri;  // data:image/png;base64,…
};

struct ReportPictures {
  int64_t all_step_count = 0;        // steps that have previews on disk
  std::vector<int64_t> shown_steps;  // ascending
  std::vector<std::string> prompts;
  std::vector<ReportPicture> pictures;
};

// Reads DIRECTORY/step-000100/00.png … and prompts.txt. A page that holds everything would grow without
// bounds: at most `max_steps` steps are taken, first, last and evenly between, and fewer if the files of
// these are larger than `max_bytes` together, but first and last always. What cannot be read is left out.
ReportPictures read_report_pictures(const std::filesystem::path& directory, size_t max_steps,
                                    uint64_t max_bytes);

}  // namespace sdlora::monitoring
