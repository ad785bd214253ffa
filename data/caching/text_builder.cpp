#include "data/caching/text_builder.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "comm/fail_together.h"
#include "data/caching/embedding_table.h"
#include "data/caching/stop_request.h"
#include "data/caching/worker_threads.h"
#include "data/shards/shard_reader.h"
#include "data/shards/shard_writer.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;

constexpr size_t kCaptionsPerRankAndRound = 32;  // bounds the memory of a gather
constexpr double kMostSavingShare = 0.1;         // of the time: a large file takes long to write

// A rank's part of a round: 1 and the floats of a caption that it has encoded, 0 for one that it has not.
std::string packed(const std::vector<at::Tensor>& embeddings) {
  std::string message;
  for (const at::Tensor& embedding : embeddings) {
    message += embedding.defined() ? '\1' : '\0';
    if (embedding.defined())
      message.append(static_cast<const char*>(embedding.const_data_ptr()), embedding.nbytes());
  }
  return message;
}

class TextBuilder {
 public:
  TextBuilder(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
              OutputDirectory* output)
      : options_(options), plan_(plan), world_(world), output_(output), table_(plan) {}

  // (all ranks)
  void build() {
    take_previous();
    const std::vector<size_t> missing = broadcast_missing();
    if (!missing.empty()) encode(missing);
    comm::fail_together(world_, [&] {
      if (output_ == nullptr) return;
      write_text_file(options_.output / kTextFileName, table_.content());
      output_->add_finished(describe_file(options_.output / kTextFileName, caption_count()), {});
    });
  }

 private:
  using Clock = std::chrono::steady_clock;

  int64_t caption_count() const { return static_cast<int64_t>(plan_.captions.size()); }

  void take_previous() {
    comm::fail_together(world_, [&] {
      if (output_ == nullptr) return;
      for (const std::string& name : {previous_name(kTextFileName), partial_name(kTextFileName)})
        if (output_->record().files.contains(name)) table_.take_from(read_text_file(options_.output / name));
    });
  }

  std::vector<size_t> broadcast_missing() {
    std::string text = Json(table_.missing()).dump();
    world_.broadcast(text, 0);
    return Json::parse(text);
  }

  void encode(const std::vector<size_t>& missing) {
    std::unique_ptr<model::ClipTextReader> encoder;
    comm::fail_together(
        world_, [&] { encoder = std::make_unique<model::ClipTextReader>(text_reader_for(options_)); });
    const size_t round_size = static_cast<size_t>(world_.size()) * kCaptionsPerRankAndRound;
    for (size_t first = 0; first < missing.size(); first += round_size) {
      const size_t end = std::min(missing.size(), first + round_size);
      const bool is_whole = encode_round(
          {missing.begin() + static_cast<ptrdiff_t>(first), missing.begin() + static_cast<ptrdiff_t>(end)},
          *encoder);
      if (end < missing.size() || !is_whole) save_part(/*is_due=*/!is_whole);
      if (!is_whole) throw stopped_by_a_signal();
    }
  }

  // Whether all ranks have encoded all of theirs; else one was asked to stop.
  bool encode_round(const std::vector<size_t>& rows, const model::ClipTextReader& encoder) {
    const auto rank = static_cast<size_t>(world_.rank());
    const auto rank_count = static_cast<size_t>(world_.size());
    std::vector<at::Tensor> own;
    for (size_t caption = rank; caption < rows.size(); caption += rank_count) own.emplace_back();
    comm::fail_together(world_, [&] {
      std::atomic<size_t> next = 0;
      run_on_threads(options_.device.is_cuda() ? 1 : options_.encoder_threads, [&] {
        for (size_t place = next++; place < own.size() && !is_stop_requested(options_); place = next++)
          own[place] = encoder.read(plan_.captions[rows[rank + place * rank_count]]);
      });
    });
    const std::vector<std::string> messages = world_.gather(packed(own));
    std::vector<size_t> read_bytes(rank_count, 0);
    bool is_whole = true;
    for (size_t caption = 0; caption < rows.size(); ++caption) {
      const size_t other = caption % rank_count;
      const char* const part = messages[other].data() + read_bytes[other]++;
      if (*part == '\0') {
        is_whole = false;
        continue;
      }
      at::Tensor embedding = at::empty(encoder.shape(), at::kFloat);
      std::memcpy(embedding.mutable_data_ptr(), part + 1, embedding.nbytes());
      read_bytes[other] += embedding.nbytes();
      if (output_ != nullptr) table_.set(rows[caption], embedding);
    }
    return is_whole;
  }

  // Into a file from which the next run takes embeddings if this one ends early. `is_due`: at once.
  void save_part(bool is_due) {
    comm::fail_together(world_, [&] {
      const std::chrono::duration<double> unsaved = Clock::now() - saved_at_;
      const double due_seconds = std::max(options_.save_interval_seconds, saving_.count() / kMostSavingShare);
      if (output_ == nullptr || (!is_due && unsaved.count() < due_seconds)) return;
      const TextContent content = table_.content();
      if (content.caption.empty()) return;
      const Clock::time_point begin = Clock::now();
      const std::filesystem::path file = options_.output / partial_name(kTextFileName);
      write_text_file(file, content);
      output_->add_finished(describe_file(file, static_cast<int64_t>(content.caption.size())), {});
      saved_at_ = Clock::now();
      saving_ = saved_at_ - begin;
    });
  }

  const CacheOptions& options_;
  const CachePlan& plan_;
  comm::Communicator& world_;
  OutputDirectory* output_;
  EmbeddingTable table_;  // rank 0's has the embeddings
  Clock::time_point saved_at_ = Clock::now();
  std::chrono::duration<double> saving_{0};  // how long the last one took
};

}  // namespace

model::ClipTextReader text_reader_for(const CacheOptions& options) {
  return model::ModelSource(options.model)
      .load_text_reader(options.reading, options.device, dtype_of(options.mixed_precision));
}

void build_text_file(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
                     OutputDirectory* output) {
  TextBuilder(options, plan, world, output).build();
}

}  // namespace sdlora::data
