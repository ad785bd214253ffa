#include "trainer/watching/previews.h"

#include <algorithm>
#include <fstream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/atomic_file.h"
#include "common/error.h"
#include "common/log.h"

namespace sdlora::trainer {

namespace fs = std::filesystem;

namespace {

// "step-000100"
bool is_of_a_step(const std::string& name) {
  constexpr std::string_view kPrefix = "step-";
  return name.starts_with(kPrefix) && name.size() > kPrefix.size() &&
         name.find_first_not_of("0123456789", kPrefix.size()) == std::string::npos;
}

}  // namespace

std::vector<std::string> read_preview_prompts(const fs::path& file) {
  std::ifstream stream(file);
  std::vector<std::string> prompts;
  for (std::string line; std::getline(stream, line);) {
    const size_t begin = line.find_first_not_of(" \t\r");
    if (begin == std::string::npos || line[begin] == '#') continue;
    prompts.push_back(line.substr(begin, line.find_last_not_of(" \t\r") + 1 - begin));
  }
  if (prompts.empty())
    throw Error(ExitCode::kUsage, {.what = "there are no prompts to preview",
                                   .expected = "a text file with one prompt a line",
                                   .seen = stream.is_open() ? "no such line" : system_error_text(),
                                   .where = file.string(),
                                   .advice = "check --preview-prompts"});
  return prompts;
}

Previews::Previews(fs::path directory, std::vector<std::string> prompts, bool of_average,
                   int64_t marks_per_picture, PreviewPainter painter)
    : directory_(std::move(directory)),
      prompts_(std::move(prompts)),
      of_average_(of_average),
      marks_per_picture_(marks_per_picture),
      painter_(std::move(painter)) {}

fs::path Previews::folder_of(int64_t step) const {
  return directory_ / fmt::format("step-{:06}", step);
}

fs::path Previews::file_of(int64_t step, size_t picture) const {
  return folder_of(step) / fmt::format("{:02}.png", picture);
}

bool Previews::are_complete(int64_t step) const {
  for (size_t picture = 0; picture < prompts_.size() * (of_average_ ? 2 : 1); ++picture)
    if (!fs::exists(file_of(step, picture))) return false;
  return true;
}

bool Previews::draw(int64_t step, Shown shown, const Networks& networks, const model::ComputeMode& mode,
                    comm::Communicator& world, comm::Watchdog& watchdog,
                    const std::function<bool()>& stop_requested) {
  try {
    draw_share(step, shown, networks, mode, world, watchdog, stop_requested);
  } catch (const std::exception& failure) {
    log::warning(
        fmt::format("previews after step {} are missing, training goes on: {}", step, failure.what()));
  }
  // Another rank may have a picture more to draw. It is watched on its own, mark by mark.
  const int64_t rank_count = world.size();
  const auto prompt_count = static_cast<int64_t>(prompts_.size());
  const int64_t pictures_a_rank = (prompt_count + rank_count - 1) / rank_count;
  watchdog.progress(comm::Section::kPreviews, "waiting for those of the other ranks",
                    1 + pictures_a_rank * marks_per_picture_);
  const std::vector<std::string> stops = world.gather(stop_requested() ? "stop" : "");  // (all ranks)
  return std::find(stops.begin(), stops.end(), "stop") != stops.end();
}

void Previews::draw_share(int64_t step, Shown shown, const Networks& networks, const model::ComputeMode& mode,
                          const comm::Communicator& world, comm::Watchdog& watchdog,
                          const std::function<bool()>& stop_requested) const {
  const fs::path folder = folder_of(step);
  fs::create_directories(folder);
  std::vector<std::string> what = prompts_;
  for (size_t prompt = 0; of_average_ && prompt < prompts_.size(); ++prompt)
    what.push_back(prompts_[prompt] + " (moving average)");
  if (world.rank() == 0)
    write_text_atomically(folder / "prompts.txt", fmt::format("{}\n", fmt::join(what, "\n")));
  for (auto prompt = static_cast<size_t>(world.rank()); prompt < prompts_.size();
       prompt += static_cast<size_t>(world.size())) {
    const fs::path file = file_of(step, prompt + (shown == Shown::kAverage ? prompts_.size() : 0));
    if (stop_requested() || fs::exists(file)) continue;
    const auto mark = [&] { watchdog.progress(comm::Section::kPreviews, fmt::format("picture {}", prompt)); };
    mark();
    painter_({.networks = networks, .mode = mode, .prompt = prompt, .file = file, .on_step = mark});
  }
}

void remove_previews(const fs::path& directory) {
  std::error_code ignored;  // a stale picture is drawn over or left: it does no harm
  std::vector<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(directory, ignored))
    if (is_of_a_step(entry.path().filename().string())) folders.push_back(entry.path());
  for (const fs::path& folder : folders) fs::remove_all(folder, ignored);
}

}  // namespace sdlora::trainer
