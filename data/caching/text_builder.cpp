#include "data/caching/text_builder.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <optional>
#include <unordered_map>

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "comm/fail_together.h"
#include "common/error.h"
#include "data/caching/output_directory.h"
#include "data/caching/worker_threads.h"
#include "data/shards/shard_reader.h"
#include "data/shards/shard_writer.h"
#include "model/model_source.h"

namespace sdlora::data {
namespace {

constexpr size_t kCaptionsPerRankAndRound = 32;  // bounds the memory of a gather

class CaptionEncoder {
 public:
  explicit CaptionEncoder(const CacheOptions& options)
      : device_(options.device),
        tokenizer_(model::ModelSource(options.model).load_tokenizer()),
        encoder_(
            model::ModelSource(options.model).load_text_encoder({.device = device_, .dtype = at::kFloat})) {}

  // [L, C]
  std::vector<int64_t> shape() const { return {tokenizer_.max_length(), encoder_.config().hidden_size}; }

  // [L, C] f32 on the CPU; any number of threads at a time
  at::Tensor encode(const std::string& caption) const {
    const c10::InferenceMode no_gradients;
    const std::vector<int64_t> ids = tokenizer_.encode(caption);
    const at::Tensor batch = at::tensor(ids, at::kLong).unsqueeze(0).to(device_);  // [1, L]
    return encoder_.encode(batch)[0].cpu().contiguous();
  }

 private:
  at::Device device_;
  model::ClipTokenizer tokenizer_;
  model::ClipTextEncoder encoder_;
};

using Embeddings = std::unordered_map<std::string, at::Tensor>;  // [L, C] by caption

// By rank 0, which put the file aside because it is whole.
Embeddings read_previous(const CacheOptions& options, const CacheSettings& settings) {
  const std::filesystem::path file = options.output / previous_name(kTextFileName);
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return {};
  const TextContent text = read_text_file(file);
  if (text.text_encoder_sha256 != settings.text_encoder_sha256 ||
      text.tokenizer_sha256 != settings.tokenizer_sha256)
    return {};
  Embeddings embeddings;
  for (size_t row = 0; row < text.caption.size(); ++row)
    embeddings[text.caption[row]] = text.embedding[static_cast<int64_t>(row)];
  return embeddings;
}

std::string bytes_of(const std::vector<at::Tensor>& embeddings) {
  std::string bytes;
  for (const at::Tensor& embedding : embeddings)
    bytes.append(static_cast<const char*>(embedding.const_data_ptr()), embedding.nbytes());
  return bytes;
}

// (all ranks) Adds what is missing to rank 0's embeddings.
void gather_missing(const CacheOptions& options, const std::vector<std::string>& missing,
                    comm::Communicator& world, Embeddings& embeddings) {
  std::optional<CaptionEncoder> encoder;
  comm::fail_together(world, [&] { encoder.emplace(options); });
  const auto rank = static_cast<size_t>(world.rank());
  const auto rank_count = static_cast<size_t>(world.size());
  const std::vector<int64_t> shape = encoder->shape();
  for (size_t round = 0; round < missing.size(); round += rank_count * kCaptionsPerRankAndRound) {
    const size_t end = std::min(missing.size(), round + rank_count * kCaptionsPerRankAndRound);
    std::vector<at::Tensor> own;
    for (size_t caption = round + rank; caption < end; caption += rank_count) own.emplace_back();
    comm::fail_together(world, [&] {
      std::atomic<size_t> next = 0;
      run_on_threads(options.device.is_cuda() ? 1 : options.encoder_threads, [&] {
        for (size_t place = next++; place < own.size(); place = next++)
          own[place] = encoder->encode(missing[round + rank + place * rank_count]);
      });
    });
    const std::vector<std::string> all = world.gather(bytes_of(own));
    if (world.rank() != 0) continue;
    for (size_t caption = round; caption < end; ++caption) {
      at::Tensor embedding = at::empty(shape, at::kFloat);
      const size_t place = (caption - round) / rank_count * embedding.nbytes();
      std::memcpy(embedding.mutable_data_ptr(), all[(caption - round) % rank_count].data() + place,
                  embedding.nbytes());
      embeddings[missing[caption]] = embedding;
    }
  }
}

}  // namespace

void build_text_file(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world) {
  Embeddings embeddings;
  comm::fail_together(world, [&] { embeddings = read_previous(options, plan.settings); });
  std::vector<std::string> missing;
  for (const std::string& caption : plan.captions)
    if (!embeddings.contains(caption)) missing.push_back(caption);
  if (!missing.empty()) gather_missing(options, missing, world, embeddings);
  comm::fail_together(world, [&] {
    if (world.rank() != 0) return;
    TextContent content{.text_encoder_sha256 = plan.settings.text_encoder_sha256,
                        .tokenizer_sha256 = plan.settings.tokenizer_sha256,
                        .inputs_sha256 = plan.text_inputs_sha256,
                        .embedding = {},
                        .caption = plan.captions};
    std::vector<at::Tensor> rows;
    for (const std::string& caption : plan.captions) rows.push_back(embeddings.at(caption));
    content.embedding = at::stack(rows);
    write_text_file(options.output / kTextFileName, content);
  });
}

}  // namespace sdlora::data
