// What an adapter's file tells other programs about its training: by sd-scripts' names and in its spelling
// ("ss_…", Python's str()), by those of the Stability AI model metadata standard ("modelspec.…"), and of our
// own ("sdlora_…") what they have no name for. Who reads what: docs/adapters.md.
#pragma once

#include <string>

#include "checkpoint/named_tensors.h"
#include "trainer/run/loaded_run.h"

namespace sdlora::trainer {

class AdapterMetadata {
 public:
  // `model_hash`: SHA-256 of the UNet. The run began now, or began again. Throws Error(kIo) when the model's
  // file cannot be hashed.
  AdapterMetadata(const TrainConfig& config, const LoadedRun& loaded, const std::string& model_hash);

  // Of the adapter after so many steps, now. With --no-metadata only what readers need.
  checkpoint::Metadata after(int64_t step) const;

  // Of the tags in captions, those that found no place: programs do not show files with very long metadata.
  int64_t left_out_tag_count() const { return left_out_tag_count_; }

 private:
  checkpoint::Metadata constant_;
  EpochLength epoch_;
  bool is_brief_;
  int64_t left_out_tag_count_ = 0;
};

}  // namespace sdlora::trainer
