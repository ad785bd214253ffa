#include "trainer/run/run_checkpoint.h"

#include <cmath>
#include <cstdlib>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "common/error.h"
#include "common/json_text.h"
#include "model/kernels/cpu_kernels.h"

namespace sdlora::trainer {

namespace {

// What a checkpoint and this run do not have in common, collected.
struct Differences {
  std::string saved, mine;  // "name = value  …"

  void compare(const std::string& name, const std::string& saved_value, const std::string& my_value) {
    if (saved_value == my_value) return;
    saved += fmt::format("{} = {}  ", name, saved_value);
    mine += fmt::format("{} = {}  ", name, my_value);
  }
};

// By name, what the checkpoint has for every setting of either side, spelt as this run spells it.
std::map<std::string, std::string> completed(const std::map<std::string, std::string>& saved,
                                             const std::map<std::string, std::string>& mine,
                                             const Settings& options) {
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : saved) all[name] = options.canonical(name, value);
  const std::map<std::string, std::string> defaults = options.defaults();
  for (const auto& [name, value] : mine)
    if (!all.contains(name)) all[name] = defaults.at(name);
  return all;
}

bool is_possible(const RunState& state) {
  return state.step >= 0 && state.consecutive_nonfinite >= 0 && state.micro_batch_size > 0 &&
         state.cpu_threads > 0 && std::isfinite(state.loss_scaler.scale) && state.loss_scaler.scale > 0 &&
         state.loss_scaler.steps_since_change >= 0;
}

}  // namespace

std::string to_json(const RunState& state) {
  nlohmann::ordered_json json{{"format", "sdlora run state 1"},
                              {"step", state.step},
                              {"consecutive_nonfinite", state.consecutive_nonfinite},
                              {"loss_scale", state.loss_scaler.scale},
                              {"loss_scale_steps_since_change", state.loss_scaler.steps_since_change},
                              {"micro_batch_size", state.micro_batch_size},
                              {"cpu_threads", state.cpu_threads},
                              {"cpu_kernels", state.cpu_kernels},
                              {"data_sha256", state.data_hash},
                              {"model_sha256", state.model_hash},
                              {"settings", state.settings}};
  if (!state.noise_schedule.empty()) json["noise_schedule"] = state.noise_schedule;
  if (!state.other_alphas.empty()) json["other_alphas"] = state.other_alphas;
  if (!state.init_adapter_hash.empty()) json["init_adapter_sha256"] = state.init_adapter_hash;
  return json.dump(2) + "\n";
}

RunState run_state_from_json(const std::string& json, const std::string& where) {
  try {
    const auto values = parse_json(json);
    RunState state{
        .step = whole_number(values.at("step")),
        .consecutive_nonfinite = whole_number(values.at("consecutive_nonfinite")),
        .loss_scaler = {.scale = values.at("loss_scale").get<double>(),
                        .steps_since_change = whole_number(values.at("loss_scale_steps_since_change"))},
        .micro_batch_size = whole_number(values.at("micro_batch_size")),
        .cpu_threads = whole_number(values.at("cpu_threads")),
        // A checkpoint that does not say was written when ATen computed everything.
        .cpu_kernels = values.value("cpu_kernels", describe(model::kernels::CpuKernels{})),
        .data_hash = values.at("data_sha256").get<std::string>(),
        .model_hash = values.at("model_sha256").get<std::string>(),
        .noise_schedule = values.value("noise_schedule", std::string()),
        .init_adapter_hash = values.value("init_adapter_sha256", std::string()),
        .settings = values.at("settings").get<std::map<std::string, std::string>>()};
    if (!is_possible(state)) throw nlohmann::json::other_error::create(501, "an impossible number", &values);
    return state;
  } catch (const nlohmann::json::exception& failure) {
    throw Error(ExitCode::kBadData, {.what = "cannot read a checkpoint's state.json",
                                     .seen = failure.what(),
                                     .where = where,
                                     .advice = "remove this checkpoint to go on from an older one"});
  }
}

std::string check_resumable(const RunState& saved, const RunState& mine, const Settings& options) {
  const auto epochs = mine.settings.find("max-epochs");
  const bool is_by_epochs = epochs != mine.settings.end() && epochs->second != "0";
  Differences differences;
  std::string warning;
  for (const auto& [name, saved_value] : completed(saved.settings, mine.settings, options)) {
    if (name == "max-epochs") continue;  // max-steps has what it comes to
    const auto found = mine.settings.find(name);
    const std::string my_value =
        found == mine.settings.end() ? "(not an option of this build)" : found->second;
    if (name == "max-steps" && std::strtoll(my_value.c_str(), nullptr, 10) < saved.step)
      throw Error(ExitCode::kMismatch,
                  {.what = "the checkpoint is beyond the end of the run",
                   .expected = fmt::format("--max-steps {} or more, or as many --max-epochs", saved.step),
                   .seen = "--max-steps " + my_value + (is_by_epochs ? ", which --max-epochs comes to" : ""),
                   .advice = "for a shorter run begin at an earlier checkpoint, with --resume and another "
                             "--output; or train anew there"});
    if (name == "max-steps" && saved_value != my_value)
      warning =
          fmt::format("max-steps was {} and is {} now: the learning-rate schedule changes from step {} on",
                      saved_value, my_value, saved.step);
    else
      differences.compare(name, saved_value, my_value);
  }
  differences.compare("data", saved.data_hash, mine.data_hash);
  differences.compare("model", saved.model_hash, mine.model_hash);
  if (!saved.noise_schedule.empty())  // earlier versions do not say
    differences.compare("noise schedule", saved.noise_schedule, mine.noise_schedule);
  differences.compare("init-adapter", saved.init_adapter_hash, mine.init_adapter_hash);
  const auto warn_of_rounding = [&](const std::string& name, const std::string& saved_value,
                                    const std::string& my_value) {
    if (saved_value != my_value)
      warning += fmt::format("{}{} was {} and is {} now: sums may round differently from step {} on",
                             warning.empty() ? "" : "; ", name, saved_value, my_value, saved.step);
  };
  warn_of_rounding("cpu-threads", std::to_string(saved.cpu_threads), std::to_string(mine.cpu_threads));
  warn_of_rounding("CPU kernels", saved.cpu_kernels, mine.cpu_kernels);
  if (!differences.saved.empty())
    throw Error(ExitCode::kMismatch,
                {.what = "the checkpoint belongs to another run",
                 .expected = "as in the checkpoint: " + differences.saved,
                 .seen = differences.mine,
                 .advice = "give the same settings; to begin a new run with other ones, use another "
                           "--output, --resume none and, for its adapter, --init-adapter"});
  return warning;
}

}  // namespace sdlora::trainer
