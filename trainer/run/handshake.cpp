#include "trainer/run/handshake.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "checkpoint/sha256.h"
#include "comm/build_identity.h"
#include "comm/fail_together.h"
#include "common/error.h"
#include "common/version.h"
#include "trainer/run/arithmetic.h"

namespace sdlora::trainer {
namespace {

struct Difference {
  std::string first, other;  // "name = value  …"
};

Difference difference_of(const RankFingerprint& first, const RankFingerprint& other) {
  Difference difference;
  const auto note = [&](const std::string& name) {
    const auto in_first = first.find(name), in_other = other.find(name);
    const std::string one = in_first == first.end() ? "nothing" : in_first->second;
    const std::string two = in_other == other.end() ? "nothing" : in_other->second;
    if (one == two) return;
    difference.first += fmt::format("{} = {}  ", name, one);
    difference.other += fmt::format("{} = {}  ", name, two);
  };
  for (const auto& [name, value] : first) note(name);
  for (const auto& [name, value] : other)
    if (!first.contains(name)) note(name);
  return difference;
}

std::string hash_of(const at::Tensor& tensor) {
  const at::Tensor values = tensor.detach().cpu().contiguous();
  return checkpoint::sha256_of({static_cast<const char*>(values.const_data_ptr()), values.nbytes()});
}

std::string hash_of_layout(const lora::Adapter& adapter) {
  std::string text;
  for (const lora::Adapter::Module& module : adapter.modules())
    text += fmt::format("{} {} {} {} {}\n", module.path, module.in_features, module.out_features, module.rank,
                        module.alpha);
  return checkpoint::sha256_of(text);
}

std::string describe(const model::NoiseSchedule& schedule) {
  return fmt::format("{} steps, {}, alphas {}", schedule.timestep_count(),
                     schedule.prediction_type() == model::PredictionType::kEpsilon ? "epsilon" : "velocity",
                     hash_of(schedule.alphas_cumprod()));
}

}  // namespace

void compare_ranks(comm::Communicator& world, const RankFingerprint& fingerprint) {
  const nlohmann::json mine{{"place", comm::place_of(world)}, {"facts", fingerprint}};
  const std::vector<std::string> all = world.gather(mine.dump());  // (all ranks)
  const auto first = nlohmann::json::parse(all.front());
  for (size_t rank = 1; rank < all.size(); ++rank) {
    const auto other = nlohmann::json::parse(all[rank]);
    const Difference difference =
        difference_of(first.at("facts").get<RankFingerprint>(), other.at("facts").get<RankFingerprint>());
    if (difference.first.empty()) continue;
    throw Error(
        ExitCode::kMismatch,
        {.what = "the ranks disagree",
         .expected = fmt::format("as {} has it: {}", first.at("place").get<std::string>(), difference.first),
         .seen = fmt::format("{}: {}", other.at("place").get<std::string>(), difference.other),
         .advice = "start every rank from the same build, config, model, data and checkpoint"});
  }
}

void compare_builds_and_settings(comm::Communicator& world, const TrainConfig& config) {
  RankFingerprint fingerprint = comm::build_identity();
  fingerprint["version"] = kVersion;
  fingerprint.merge(settings_of_all_ranks(config));
  compare_ranks(world, fingerprint);
}

void compare_loaded(comm::Communicator& world, const LoadedRun& loaded, const std::string& model_hash,
                    const RankFingerprint& more) {
  RankFingerprint fingerprint = more;
  fingerprint["data"] = loaded.dataset.manifest_sha256();
  if (loaded.validation_dataset)
    fingerprint["validation data"] = loaded.validation_dataset->manifest_sha256();
  fingerprint["model"] = model_hash;
  fingerprint["noise schedule"] = describe(loaded.schedule);
  fingerprint["adapter"] = lora::describe(loaded.adapter, 0);
  fingerprint["parameter layout"] = hash_of_layout(loaded.adapter);
  fingerprint["device type"] = c10::DeviceTypeName(loaded.mode.device.type());
  fingerprint["CPU capability"] = at::get_cpu_capability();
  fingerprint["CPU kernels"] = describe_arithmetic(loaded.mode.cpu_kernels);
  fingerprint["CPU threads"] = std::to_string(at::get_num_threads());
  compare_ranks(world, fingerprint);
}

void compare_parameters(comm::Communicator& world, const LoadedRun& loaded, int64_t step) {
  if (world.size() == 1) return;
  RankFingerprint fingerprint{{"step", std::to_string(step)},
                              {"A and B", hash_of(loaded.adapter.parameters())}};
  for (const auto& [name, tensor] : loaded.optimizer->state())
    fingerprint["optimiser's " + name] = hash_of(tensor);
  fingerprint["loss scale"] = fmt::format("{}", loaded.loss_scaler.scale());
  compare_ranks(world, fingerprint);
}

std::string hash_model_once_per_host(comm::Communicator& world, const model::ModelSource& model) {
  std::string files, hash, first;
  comm::fail_together(world, [&] {
    files = model.file_identity_of(model::ModelPart::kUnet);
    if (world.local_rank() != 0) return;
    hash = model.hash_of(model::ModelPart::kUnet);
    first = nlohmann::json{{"files", files}, {"hash", hash}}.dump();
  });
  world.broadcast_on_host(first);
  comm::fail_together(world, [&] {
    const auto of_host = nlohmann::json::parse(first);
    if (!hash.empty()) return;
    hash = of_host.at("files").get<std::string>() == files ? of_host.at("hash").get<std::string>()
                                                           : model.hash_of(model::ModelPart::kUnet);
  });
  return hash;
}

}  // namespace sdlora::trainer
