// The adapter as a file for other programs, NAME.safetensors, which a run writes beside its own.
#pragma once

#include <filesystem>
#include <string>

#include <c10/core/ScalarType.h>

#include "common/options.h"

namespace sdlora::trainer {

struct SharedFileOptions {
  std::string name;  // without ending; empty: lora_weights, and in the metadata that of the run's directory
  at::ScalarType dtype = at::kHalf;
  bool has_no_metadata = false;  // but what readers need

  void declare(OptionGroup group);

  // "lora_weights.safetensors" in the run's directory, and of the moving average.
  std::string file_name() const;
  std::string averaged_file_name() const;

  // In the directory of the checkpoint after `step` steps; with a name of its own also the steps, so that
  // those of several checkpoints can lie in one folder.
  std::string checkpoint_file_name(int64_t step) const;

  // What other programs call the adapter: `name`, else that of the run's directory.
  std::string shown_name(const std::filesystem::path& run_directory) const;
};

}  // namespace sdlora::trainer
