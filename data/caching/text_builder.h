// Makes text.h5: the embedding of every caption.
#pragma once

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"

namespace sdlora::data {

// (all ranks) The ranks share the captions, one per forward; rank 0 writes the file. Embeddings that
// text.h5.previous holds, made with the same text encoder and tokenizer, are taken from there.
void build_text_file(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world);

}  // namespace sdlora::data
