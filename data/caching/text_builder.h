// Makes text.h5: the embedding of every caption.
#pragma once

#include "comm/communicator.h"
#include "data/caching/cache_options.h"
#include "data/caching/cache_plan.h"
#include "data/caching/output_directory.h"
#include "model/model_source.h"

namespace sdlora::data {

// The model's text encoder, which is loaded by this.
model::ClipTextReader text_reader_for(const CacheOptions& options);

// (all ranks) The ranks share the captions, one per forward; rank 0, which alone has `output`, writes the
// file. Embeddings that an earlier run made with the same text encoder and tokenizer are taken from what it
// left. What is encoded is saved now and then, and not kept in memory. Throws Error(kStopped) on every rank
// when one was asked to stop, with what is encoded saved.
void build_text_file(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                     OutputDirectory* output);

}  // namespace sdlora::data
