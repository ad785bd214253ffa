// Runs samplers over a model that is one line of arithmetic, for sampler_parity.py, which does the same with
// diffusers' schedulers.
//
//   sampler_probe CASES.jsonl OUTPUT.safetensors
//
// A case: {"config": scheduler file, "sampler", "steps", "karras", "first_step": -1 for text-to-image}.
// Output per case i: "i.timesteps" [n] f64 as asked of the model, "i.x" [1, 4, 3, 5]; nothing when refused.
// And "FILE.alphas_cumprod" [T] f32 of each config.
#include <filesystem>
#include <fstream>
#include <iostream>

#include <ATen/ATen.h>
#include <nlohmann/json.hpp>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "common/seeds.h"
#include "model/samplers/sampler_request.h"

namespace {

using namespace sdlora;  // NOLINT: a program of one file

void run_case(const nlohmann::json& options, const std::string& name, checkpoint::NamedTensors& outputs) {
  const std::string file = options.at("config");
  const model::ModelConfig config(file);
  const model::NoiseSchedule schedule(config);
  outputs[std::filesystem::path(file).filename().string() + ".alphas_cumprod"] = schedule.alphas_cumprod();
  const auto sampler = model::make_sampler({.name = options.at("sampler"),
                                            .step_count = options.at("steps"),
                                            .uses_karras_sigmas = options.at("karras")},
                                           config, schedule);
  at::Generator generator = generator_for(7);
  const auto draw = [&] { return at::randn({1, 4, 3, 5}, generator, at::kFloat); };
  const at::Tensor noise = draw();
  const int64_t first_step = options.at("first_step");
  const at::Tensor start =
      first_step < 0 ? sampler->start_from_noise(noise)
                     : sampler->add_noise(at::linspace(-2, 2, 60).view({1, 4, 3, 5}), noise, first_step);
  std::vector<double> timesteps;
  const auto model = [&](const at::Tensor& x, double timestep) {
    timesteps.push_back(timestep);
    return at::sin(x + timestep * 0.003);
  };
  outputs[name + ".x"] = sampler->sample(start, std::max<int64_t>(first_step, 0), model, draw);
  outputs[name + ".timesteps"] = at::tensor(timesteps, at::kDouble);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 64;
  checkpoint::NamedTensors outputs;
  std::ifstream cases(argv[1]);
  int64_t index = 0;
  for (std::string line; std::getline(cases, line); ++index) {
    try {
      run_case(nlohmann::json::parse(line), std::to_string(index), outputs);
    } catch (const Error& refusal) {
      if (refusal.exit_code() != ExitCode::kUsage) std::cerr << line << ": " << refusal.what() << "\n";
    }
  }
  checkpoint::write_safetensors(argv[2], outputs);
}
