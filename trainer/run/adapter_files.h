// The files that hold a run's adapter: lora_weights.pt with its .json for Python and for going on, and
// NAME.safetensors for other programs.
#pragma once

#include <filesystem>
#include <string>

#include "lora/trained_adapter.h"
#include "trainer/run/adapter_metadata.h"

namespace sdlora::trainer {

class AdapterFiles {
 public:
  // `model_hash`: SHA-256 of the UNet. `config` and `loaded` must outlive it. (rank 0 only, as all of it)
  // Throws as AdapterMetadata.
  AdapterFiles(const TrainConfig& config, const LoadedRun& loaded, std::string model_hash);

  // Both, of the last step, in the run's directory. `tensors`: Adapter::named_tensors(). Throws Error(kIo).
  void write_last(int64_t step, const checkpoint::NamedTensors& tensors) const;
  void write_last_average(int64_t step, const checkpoint::NamedTensors& tensors) const;

  // The one for others, in the directory of a checkpoint. Throws Error(kIo).
  void write_into_checkpoint(const std::filesystem::path& directory, int64_t step,
                             const checkpoint::NamedTensors& tensors) const;

 private:
  void write(int64_t step, const checkpoint::NamedTensors& tensors, const std::string& name,
             const std::string& shared_name) const;
  void write_shared(const std::filesystem::path& file, const lora::TrainedAdapter& adapter) const;
  lora::TrainedAdapter trained(int64_t step, const checkpoint::NamedTensors& tensors) const;

  const TrainConfig& config_;
  const LoadedRun& loaded_;
  std::string model_hash_;
  AdapterMetadata metadata_;
};

}  // namespace sdlora::trainer
