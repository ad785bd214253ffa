#include "trainer/run/adapter_files.h"

#include <fmt/format.h>

#include "common/log.h"
#include "lora/adapter_export.h"
#include "monitoring/records/run_files.h"

namespace sdlora::trainer {

AdapterFiles::AdapterFiles(const TrainConfig& config, const LoadedRun& loaded, std::string model_hash)
    : config_(config),
      loaded_(loaded),
      model_hash_(std::move(model_hash)),
      metadata_(config, loaded, model_hash_) {
  if (metadata_.left_out_tag_count() > 0)
    log::warning(fmt::format(
        "{}: its ss_tag_frequency has the most frequent tags of the captions; {} others would make it longer "
        "than other programs show",
        config.shared_file.file_name(), metadata_.left_out_tag_count()));
}

void AdapterFiles::write_last(int64_t step, const checkpoint::NamedTensors& tensors) const {
  write(step, tensors, monitoring::kAdapterFileName, config_.shared_file.file_name());
}

void AdapterFiles::write_last_average(int64_t step, const checkpoint::NamedTensors& tensors) const {
  write(step, tensors, monitoring::kAveragedAdapterFileName, config_.shared_file.averaged_file_name());
}

void AdapterFiles::write_into_checkpoint(const std::filesystem::path& directory, int64_t step,
                                         const checkpoint::NamedTensors& tensors) const {
  write_shared(directory / config_.shared_file.checkpoint_file_name(step), trained(step, tensors));
}

void AdapterFiles::write(int64_t step, const checkpoint::NamedTensors& tensors, const std::string& name,
                         const std::string& shared_name) const {
  const lora::TrainedAdapter adapter = trained(step, tensors);
  lora::write_adapter(config_.places.output / name, adapter);
  write_shared(config_.places.output / shared_name, adapter);
}

void AdapterFiles::write_shared(const std::filesystem::path& file,
                                const lora::TrainedAdapter& adapter) const {
  const lora::AdapterFile contents = lora::as_adapter_file(adapter, file);
  at::ScalarType dtype = config_.shared_file.dtype;
  if (!lora::fits_in(contents, dtype)) {
    dtype = at::kFloat;
    log::warning(fmt::format("{}: written in fp32, since it has values that --save-dtype does not hold",
                             file.string()));
  }
  lora::export_adapter(contents, file, {.dtype = dtype, .metadata = metadata_.after(adapter.step)});
}

lora::TrainedAdapter AdapterFiles::trained(int64_t step, const checkpoint::NamedTensors& tensors) const {
  return {.tensors = tensors,
          .config = config_.lora,
          .other_alphas = loaded_.adapter.other_alphas(),
          .step = step,
          .base_model_hash = model_hash_};
}

}  // namespace sdlora::trainer
