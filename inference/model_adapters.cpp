#include "inference/model_adapters.h"

#include <fmt/format.h>

#include "common/log.h"

namespace sdlora::inference {

ModelAdapters::ModelAdapters(const model::UNetConfig& unet, const model::ClipTextConfig& text,
                             const std::vector<lora::AdapterRequest>& requests)
    : table_(unet, text), edits_(table_) {
  for (const lora::AdapterRequest& request : requests) {
    const lora::AdapterFile adapter = lora::read_adapter(request.file, table_);
    const lora::Applied applied = edits_.add(adapter, request.scale);
    log::info(fmt::format("{} of {} tensors of {} applied", applied.tensor_count, applied.file_tensor_count,
                          adapter.file.string()));
  }
}

}  // namespace sdlora::inference
