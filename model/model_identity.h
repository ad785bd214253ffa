// What makes a part of a model the one that it is: a hash that the same weights have in every container. It
// is over what the part computes with: widths, layers and heads of its config, and the name, type, shape and
// bytes of each of its tensors under its canonical name. fp16 and fp32 of one model are different models.
#pragma once

#include <string>

#include "model/containers/container.h"

namespace sdlora::model {

// SHA-256. Reads every byte of the part's weights. Throws as the container does.
std::string identity_of(const Container& container, ModelPart part);

// How earlier versions named a part of a directory: a hash over its files as they are. What they wrote
// (caches, checkpoints) is compared with this. Empty for a file.
std::string hash_of_files(const Container& container, ModelPart part);

}  // namespace sdlora::model
