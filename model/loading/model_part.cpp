#include "model/loading/model_part.h"

#include "common/error.h"

namespace sdlora::model {

std::string name_of(ModelPart part) {
  switch (part) {
    case ModelPart::kUnet:
      return "unet";
    case ModelPart::kVae:
      return "vae";
    case ModelPart::kTextEncoder:
      return "text_encoder";
    case ModelPart::kTokenizer:
      return "tokenizer";
    case ModelPart::kScheduler:
      return "scheduler";
  }
  throw Error(ExitCode::kInternal, "there is no such part of a model");
}

}  // namespace sdlora::model
