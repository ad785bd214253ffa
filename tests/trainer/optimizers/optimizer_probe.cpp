// Steps of an optimiser on replayed gradients, for a comparison from outside.
//
//   optimizer_probe INPUT OUTPUT KIND LEARNING_RATE WARMUP_STEPS [NAME=VALUE …]
//
// INPUT: safetensors with parameters [P] f32, gradients [N, P] f32, matrices [M, 3] i64 (rows, columns, rate
// factor of each). OUTPUT: parameters [N, P] after each step, evaluation [P] after the last.
#include <cstdio>
#include <cstdlib>

#include <ATen/ATen.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"
#include "trainer/optimizers/optimizer.h"

int main(int argument_count, char** arguments) {
  using namespace sdlora;
  if (argument_count < 6) return 64;
  try {
    const checkpoint::NamedTensors input = checkpoint::read_safetensors(arguments[1]);
    trainer::OptimizerOptions options{
        .kind = value_of(std::string(arguments[3]), trainer::optimizer_words()).value(),
        .arguments = {arguments + 6, arguments + argument_count}};
    std::vector<trainer::MatrixRange> matrices;
    int64_t first = 0;
    for (int64_t i = 0; i < input.at("matrices").size(0); ++i) {
      const auto rows = input.at("matrices")[i][0].item<int64_t>();
      const auto columns = input.at("matrices")[i][1].item<int64_t>();
      const auto rate_factor = input.at("matrices")[i][2].item<double>();
      matrices.push_back(
          {.first = first, .row_count = rows, .column_count = columns, .rate_factor = rate_factor});
      first += rows * columns;
    }
    at::Tensor parameters = input.at("parameters").clone();
    const auto optimizer = trainer::make_optimizer(
        options, parameters, {.matrices = matrices, .warmup_steps = std::atoll(arguments[5])});
    std::vector<at::Tensor> after;
    for (const at::Tensor& gradients : input.at("gradients").unbind()) {
      optimizer->step(gradients, std::atof(arguments[4]));
      after.push_back(parameters.clone());
    }
    checkpoint::write_safetensors(arguments[2], {{"parameters", at::stack(after)},
                                                 {"evaluation", optimizer->evaluation_parameters().clone()}});
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
  return 0;
}
