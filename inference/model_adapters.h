// The adapters that a model is loaded with.
#pragma once

#include <vector>

#include "lora/adapter_edits.h"
#include "lora/adapter_requests.h"

namespace sdlora::inference {

class ModelAdapters {
 public:
  // Reads the files, says in the log what of each is applied, and throws what read_adapter and
  // AdapterEdits::add throw: before any weights are loaded.
  ModelAdapters(const model::UNetConfig& unet, const model::ClipTextConfig& text,
                const std::vector<lora::AdapterRequest>& requests);

  const model::WeightEdits& edits() const { return edits_; }

 private:
  lora::ModuleTable table_;
  lora::AdapterEdits edits_;
};

}  // namespace sdlora::inference
