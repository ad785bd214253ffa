#include "trainer/step/nonfinite_record.h"

#include <cmath>
#include <numeric>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "common/json_text.h"
#include "common/log.h"
#include "trainer/batches/sample_file.h"

namespace sdlora::trainer {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kFormat = "sdlora non-finite step 1";

Json to_json(const NonfiniteSample& sample) {
  return {{"slot", sample.slot},
          {"rank", sample.rank},
          {"sample_index", sample.sample_index},
          {"source", sample.source},
          {"text", sample.text},
          {"micro_batch", sample.micro_batch},
          {"loss", sample.loss},
          {"gradients_are_finite", sample.has_finite_gradients}};
}

NonfiniteSample sample_from(const Json& json) {
  return {.slot = json.at("slot").get<int64_t>(),
          .rank = json.at("rank").get<int>(),
          .sample_index = json.at("sample_index").get<int64_t>(),
          .source = json.at("source").get<std::string>(),
          .text = json.value("text", std::string()),  // not in older ones
          .micro_batch = json.at("micro_batch").get<int64_t>(),
          .loss = json.at("loss").get<std::string>(),
          .has_finite_gradients = json.at("gradients_are_finite").get<bool>()};
}

Json to_json(const lora::LoraConfig& lora) {
  return {{"kind", word_of(lora.kind, lora::lora_kind_words())},
          {"rank", lora.rank},
          {"alpha", lora.alpha},
          {"targets", lora.targets},
          {"conv_rank", lora.conv_rank},
          {"conv_alpha", lora.conv_alpha},
          {"rank_patterns", lora.rank_patterns},
          {"is_rank_stabilised", lora.is_rank_stabilised},
          {"trains_text_encoder", lora.trains_text_encoder},
          {"dropout", lora.dropout.neuron},
          {"rank_dropout", lora.dropout.rank},
          {"module_dropout", lora.dropout.module}};
}

template <typename T>
T meaning_of(const Json& json, const char* key, const Words<T>& words) {
  const std::optional<T> meaning = value_of(json.at(key).get<std::string>(), words);
  if (!meaning) throw Json::other_error::create(501, fmt::format("an unknown {}", key), &json);
  return *meaning;
}

lora::LoraConfig lora_from(const Json& json) {
  if (!json.contains("lora"))  // of a time when there were three settings
    return {.rank = json.at("lora_rank").get<int64_t>(),
            .alpha = json.at("lora_alpha").get<double>(),
            .targets = json.at("lora_targets").get<std::string>()};
  const Json& lora = json.at("lora");
  return {.kind = lora.contains("kind") ? meaning_of(lora, "kind", lora::lora_kind_words())
                                        : lora::LoraKind::kLora,
          .rank = lora.at("rank").get<int64_t>(),
          .alpha = lora.at("alpha").get<double>(),
          .targets = lora.at("targets").get<std::string>(),
          .conv_rank = lora.at("conv_rank").get<int64_t>(),
          .conv_alpha = lora.at("conv_alpha").get<double>(),
          .rank_patterns = lora.at("rank_patterns").get<std::vector<std::string>>(),
          .is_rank_stabilised = lora.at("is_rank_stabilised").get<bool>(),
          .dropout = {.neuron = lora.at("dropout").get<double>(),
                      .rank = lora.at("rank_dropout").get<double>(),
                      .module = lora.at("module_dropout").get<double>()},
          .trains_text_encoder = lora.at("trains_text_encoder").get<bool>()};
}

Json to_json(const NonfiniteRecord& record) {
  Json samples = Json::array();
  for (const NonfiniteSample& sample : record.samples) samples.push_back(to_json(sample));
  return {{"format", kFormat},
          {"step", record.step},
          {"model", record.model.string()},
          {"model_sha256", record.model_hash},
          {"lora", to_json(record.lora)},
          {"text_encoder_sha256", record.text_encoder_hash},
          {"clip_skip", record.reading.clip_skip},
          {"max_token_length", record.reading.max_token_length},
          {"prediction_type", word_of(record.schedule.prediction, model::prediction_words())},
          {"zero_terminal_snr", word_of(record.schedule.zero_terminal_snr, model::zero_snr_words())},
          {"loss", word_of(record.loss, loss_words())},
          {"mixed_precision", word_of(record.mixed_precision, model::mixed_precision_words())},
          {"reduction", word_of(record.reduction, reduction_words())},
          {"cpu_kernels", word_of(record.cpu_kernels, model::kernels::cpu_kernel_words())},
          {"cpu_threads", record.cpu_threads},
          {"micro_batch_size", record.micro_batch_size},
          {"loss_scale", record.loss_scale},
          {"expected_latents", {record.expected_latents.height, record.expected_latents.width}},
          {"samples", samples}};
}

NonfiniteRecord record_from(const Json& json) {
  if (json.at("format") != kFormat) throw Json::other_error::create(501, "another format", &json);
  NonfiniteRecord record{
      .step = json.at("step").get<int64_t>(),
      .model = json.at("model").get<std::string>(),
      .model_hash = json.at("model_sha256").get<std::string>(),
      .lora = lora_from(json),
      .text_encoder_hash = json.value("text_encoder_sha256", std::string()),
      .reading = {.clip_skip = json.value("clip_skip", int64_t{1}),
                  .max_token_length = json.value("max_token_length", int64_t{75})},
      .schedule = {},
      .loss = LossKind::kMse,  // all that there was
      .mixed_precision = meaning_of(json, "mixed_precision", model::mixed_precision_words()),
      .reduction = meaning_of(json, "reduction", reduction_words()),
      .cpu_kernels = meaning_of(json, "cpu_kernels", model::kernels::cpu_kernel_words()),
      .cpu_threads = json.at("cpu_threads").get<int64_t>(),
      .micro_batch_size = json.at("micro_batch_size").get<int64_t>(),
      .loss_scale = json.at("loss_scale").get<double>(),
      .samples = {}};
  if (json.contains("prediction_type"))  // else of a time when the scheduler file alone said it
    record.schedule = {.prediction = meaning_of(json, "prediction_type", model::prediction_words()),
                       .zero_terminal_snr = meaning_of(json, "zero_terminal_snr", model::zero_snr_words())};
  if (json.contains("loss")) record.loss = meaning_of(json, "loss", loss_words());
  if (json.contains("expected_latents"))  // else of a time when all samples were of one size
    record.expected_latents = {json.at("expected_latents").at(0).get<int64_t>(),
                               json.at("expected_latents").at(1).get<int64_t>()};
  for (const Json& sample : json.at("samples")) record.samples.push_back(sample_from(sample));
  return record;
}

// This rank's suspects, written, as JSON lines.
std::string write_samples(const std::filesystem::path& directory, int64_t step, int rank,
                          const std::vector<NonfiniteMicroBatch>& micro_batches) {
  std::string lines;
  for (const NonfiniteMicroBatch& micro_batch : micro_batches)
    for (const size_t row : micro_batch.suspects()) {
      const MicroBatch& batch = micro_batch.batch;
      write_sample_file(directory / sample_file_name(step, batch.slots[row]), batch, row,
                        micro_batch.prediction);
      const double loss = micro_batch.sample_losses[static_cast<int64_t>(row)].item<double>();
      lines += to_json({.slot = batch.slots[row],
                        .rank = rank,
                        .sample_index = batch.sample_indices[row],
                        .source = batch.sources[row],
                        .text = batch.texts[row],
                        .micro_batch = batch.slots.front(),
                        .loss = loss_text(loss),
                        .has_finite_gradients = micro_batch.has_finite_gradients})
                   .dump() +
               "\n";
    }
  return lines;
}

}  // namespace

std::vector<size_t> NonfiniteMicroBatch::suspects() const {
  std::vector<size_t> rows;
  for (int64_t row = 0; row < sample_losses.size(0); ++row)
    if (!std::isfinite(sample_losses[row].item<float>())) rows.push_back(static_cast<size_t>(row));
  if (rows.empty()) {
    rows.resize(batch.slots.size());
    std::iota(rows.begin(), rows.end(), size_t{0});
  }
  return rows;
}

bool NonfiniteMicroBatch::is_finite() const {
  return has_finite_gradients && at::isfinite(sample_losses).all().item<bool>();
}

void NonfiniteSearch::add(const MicroBatch& batch, const at::Tensor& prediction,
                          const at::Tensor& sample_losses, const at::Tensor& gradients,
                          const at::Tensor& is_usable) {
  if (asks_at_once_ && is_usable.item<bool>()) return;
  candidates_.push_back({.batch = batch,
                         .prediction = prediction.detach(),
                         .sample_losses = sample_losses,
                         .are_gradients_finite = at::isfinite(gradients).all(),
                         .is_usable = is_usable});
}

std::vector<NonfiniteMicroBatch> NonfiniteSearch::found() const {
  std::vector<NonfiniteMicroBatch> all;
  if (candidates_.empty()) return all;
  std::vector<at::Tensor> answers;
  for (const Candidate& candidate : candidates_) answers.push_back(candidate.is_usable);
  const at::Tensor are_usable = at::stack(answers).to(at::kCPU);
  for (size_t i = 0; i < candidates_.size(); ++i)
    if (!are_usable[static_cast<int64_t>(i)].item<bool>())
      all.push_back({.batch = candidates_[i].batch,
                     .prediction = candidates_[i].prediction,
                     .sample_losses = candidates_[i].sample_losses.to(at::kCPU),
                     .has_finite_gradients = candidates_[i].are_gradients_finite.item<bool>()});
  return all;
}

std::string loss_text(double loss) {
  return std::isnan(loss) ? "nan" : fmt::format("{:.6g}", loss);  // without the sign of a NaN
}

void write_nonfinite_record(const std::filesystem::path& directory, NonfiniteRecord record,
                            const std::vector<NonfiniteMicroBatch>& own, const lora::Adapter& adapter,
                            comm::Communicator& world) {
  std::string written;
  try {
    std::filesystem::create_directories(directory);
    written = write_samples(directory, record.step, world.rank(), own);
  } catch (const std::exception& failure) {
    log::warning(fmt::format("samples of step {} are not saved: {}", record.step, failure.what()));
  }
  const std::vector<std::string> all = world.gather(written);  // (all ranks)
  if (world.rank() != 0) return;
  try {
    for (const std::string& lines : all)
      for (size_t begin = 0, end; (end = lines.find('\n', begin)) != std::string::npos; begin = end + 1)
        record.samples.push_back(sample_from(parse_json<Json>(lines.substr(begin, end - begin))));
    if (record.samples.empty()) return;
    checkpoint::write_safetensors(directory / "adapter.safetensors", adapter.named_tensors());
    write_text_atomically(directory / "step.json", to_json(record).dump(2) + "\n");
    log::info(fmt::format("inputs of step {} are in {}: see them again with trainer --replay", record.step,
                          directory.string()));
  } catch (const std::exception& failure) {
    log::warning(fmt::format("step {} cannot be replayed: {}", record.step, failure.what()));
  }
}

NonfiniteRecord read_nonfinite_record(const std::filesystem::path& directory) {
  const std::filesystem::path file = directory / "step.json";
  if (!std::filesystem::exists(file))
    throw Error(ExitCode::kUsage, {.what = "there is no step to replay",
                                   .expected = "a folder OUTPUT/nonfinite-step-N with a step.json",
                                   .where = directory.string(),
                                   .advice = "check --replay"});
  try {
    return record_from(parse_json<Json>(read_text(file)));
  } catch (const Json::exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read the record of a non-finite step",
                                     .expected = kFormat,
                                     .seen = failure.what(),
                                     .where = file.string(),
                                     .advice = "replay another step"});
  }
}

}  // namespace sdlora::trainer
