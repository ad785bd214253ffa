#include "trainer/step/networks.h"

namespace sdlora::trainer {

std::unique_ptr<model::ClipTextReader> load_trained_reader(const lora::LoraConfig& lora,
                                                           const model::ModelSource& model,
                                                           const model::ClipReading& reading,
                                                           const model::ComputeMode& mode) {
  if (!lora.trains_text_encoder) return nullptr;
  return std::make_unique<model::ClipTextReader>(model.load_tokenizer(), model.load_text_encoder(mode),
                                                 reading, mode.device);
}

}  // namespace sdlora::trainer
