// Pictures of a few prompts, drawn with the model as it is while it trains, so that one sees what it learns:
//
//   OUTPUT/previews/step-000100/00.png …     one per prompt, drawn from the same noise at every step
//   OUTPUT/previews/step-000100/prompts.txt  what they show, one per line
//
// With the moving average (--preview-average) as many again, behind them.
//
// They are for looking at: a picture that cannot be drawn or written is a warning, and training goes on.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "comm/communicator.h"
#include "comm/watchdog.h"
#include "model/loading/compute_mode.h"
#include "trainer/step/networks.h"

namespace sdlora::trainer {

struct PreviewJob {
  const Networks& networks;
  model::ComputeMode mode;        // theirs
  size_t prompt;                  // its number in the list of prompts, with the average as without
  std::filesystem::path file;     // the PNG to write
  std::function<void()> on_step;  // called now and then, at least once a sampling step
};

// Draws one picture without changing anything but the file. Throws what it likes.
using PreviewPainter = std::function<void(const PreviewJob&)>;

// One prompt per line; empty lines and those that begin with # are passed over. Throws Error(kUsage) when the
// file cannot be read or holds none.
std::vector<std::string> read_preview_prompts(const std::filesystem::path& file);

class Previews {
 public:
  enum class Shown { kTrained, kAverage };

  // `marks_per_picture`: how often a picture calls on_step, about. `of_average`: there are pictures of the
  // average, too.
  Previews(std::filesystem::path directory, std::vector<std::string> prompts, bool of_average,
           int64_t marks_per_picture, PreviewPainter painter);

  bool are_of_average() const { return of_average_; }

  // Whether every picture of that step is there, the average's included.
  bool are_complete(int64_t step) const;

  // (all ranks) The pictures of what is trained, or of the average, with `networks` that have it. The ranks
  // share the prompts; pictures that are there already are kept. Returns whether a rank was asked to stop
  // meanwhile: then some may be missing.
  bool draw(int64_t step, Shown shown, const Networks& networks, const model::ComputeMode& mode,
            comm::Communicator& world, comm::Watchdog& watchdog, const std::function<bool()>& stop_requested);

 private:
  void draw_share(int64_t step, Shown shown, const Networks& networks, const model::ComputeMode& mode,
                  const comm::Communicator& world, comm::Watchdog& watchdog,
                  const std::function<bool()>& stop_requested) const;

  std::filesystem::path folder_of(int64_t step) const;
  std::filesystem::path file_of(int64_t step, size_t picture) const;

  std::filesystem::path directory_;
  std::vector<std::string> prompts_;
  bool of_average_;
  int64_t marks_per_picture_;
  PreviewPainter painter_;
};

// (rank 0 only) Removes the pictures of an earlier attempt at a run that starts afresh.
void remove_previews(const std::filesystem::path& directory);

}  // namespace sdlora::trainer
