#include "data/caching/text_builder.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "comm/fail_together.h"
#include "common/error.h"
#include "common/log.h"
#include "common/shown_text.h"
#include "data/caching/embedding_store.h"
#include "data/caching/stop_request.h"
#include "data/caching/worker_threads.h"
#include "data/shards/text_file.h"

namespace sdlora::data {
namespace {

using Json = nlohmann::json;

constexpr size_t kCaptionsPerRankAndRound = 32;  // bounds the memory of a gather
constexpr size_t kMostUnsaved = 256;             // captions: 58 MiB of SD 1.5's
constexpr std::chrono::seconds kBetweenProgress{30};
constexpr size_t kShownCaptionBytes = 120;

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

at::Tensor finite_embedding_of(const std::string& caption, const model::ClipTextReader& encoder) {
  at::Tensor embedding = encoder.read(caption);
  if (!at::isfinite(embedding).all().item<bool>())
    throw Error(ExitCode::kBadData,
                {.what = "the text encoder makes numbers of a caption that are not finite",
                 .seen = shown_line(caption, kShownCaptionBytes),
                 .advice = "use a model that is whole, or --mixed-precision no"});
  return embedding;
}

class TextBuilder {
 public:
  TextBuilder(const CacheOptions& options, const CachePlan& plan, comm::Communicator& world,
              OutputDirectory* output)
      : options_(options), plan_(plan), world_(world), output_(output), store_(plan) {}

  // (all ranks)
  void build() {
    take_previous();
    const std::vector<size_t> missing = broadcast_missing();
    if (!missing.empty()) encode(missing);
    comm::fail_together(world_, [&] {
      if (output_ == nullptr) return;
      if (is_long_work()) save_part();
      const auto embedding_of = [&](int64_t row) { return store_.embedding_of(static_cast<size_t>(row)); };
      output_->add_finished(
          write_text_file(options_.output / kTextFileName, store_.description(), embedding_of,
                          is_long_work() ? leave_when_asked(options_) : nullptr),
          {});
    });
  }

 private:
  using Clock = std::chrono::steady_clock;

  // To write the whole file. Then nothing is in memory alone meanwhile, and it may be left.
  bool is_long_work() const { return plan_.captions.size() > kMostUnsaved; }

  void take_previous() {
    comm::fail_together(world_, [&] {
      if (output_ == nullptr) return;
      for (const auto& [name, file] : output_->record().files)
        if (name != kTextFileName && finished_name(name) == kTextFileName)
          store_.take_from(options_.output / name);
    });
  }

  std::vector<size_t> broadcast_missing() {
    std::string text = Json(store_.missing()).dump();
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
      comm::fail_together(world_, [&] {
        if (output_ == nullptr) return;
        if (!is_whole || (end < missing.size() && is_part_due())) save_part();
        tell_of_progress(end, missing.size());
      });
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
          own[place] = finite_embedding_of(plan_.captions[rows[rank + place * rank_count]], encoder);
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
      if (output_ != nullptr) store_.set(rows[caption], embedding);
    }
    return is_whole;
  }

  bool is_part_due() const {
    const std::chrono::duration<double> unsaved = Clock::now() - saved_at_;
    return store_.unsaved_count() >= kMostUnsaved || unsaved.count() >= options_.save_interval_seconds;
  }

  // (rank 0) What is in memory only, into a file from which the next run takes it if this one ends early.
  void save_part() {
    const TextContent content = store_.unsaved();
    if (content.caption.empty()) return;
    int64_t number = 0;
    while (output_->record().files.contains(partial_name(kTextFileName, number))) ++number;
    const std::filesystem::path file = options_.output / partial_name(kTextFileName, number);
    output_->add_finished(write_text_file(file, content), {});
    store_.forget_unsaved(file);
    saved_at_ = Clock::now();
  }

  void tell_of_progress(size_t done, size_t all) {
    if (done == all || Clock::now() - told_at_ < kBetweenProgress) return;
    log::info(fmt::format("{} of {} captions encoded", done, all));
    told_at_ = Clock::now();
  }

  const CacheOptions& options_;
  const CachePlan& plan_;
  comm::Communicator& world_;
  OutputDirectory* output_;
  EmbeddingStore store_;  // rank 0's has the embeddings
  Clock::time_point saved_at_ = Clock::now();
  Clock::time_point told_at_ = Clock::now();
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
