#include "lora/adapter.h"

#include <cmath>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/seeds.h"
#include "lora/lora_projection.h"
#include "lora/targets.h"

namespace sdlora::lora {
namespace {

std::vector<Adapter::Module> find_modules(model::UNet& unet, const LoraConfig& config) {
  if (config.rank < 1)
    throw Error(ExitCode::kUsage, {.what = "--lora-rank is not usable",
                                   .expected = "at least 1",
                                   .seen = std::to_string(config.rank),
                                   .advice = "correct --lora-rank"});
  const Targets targets(config.targets);
  std::vector<Adapter::Module> modules;
  std::string example;
  unet.visit_projections([&](const std::string& path, model::ProjectionSlot& slot) {
    example = path;
    if (targets.contains(path))
      modules.push_back({path, slot->in_features(), slot->out_features(), slot->is_convolution()});
  });
  if (modules.empty())
    throw Error(ExitCode::kUsage, {.what = "--lora-targets matches no module of the UNet",
                                   .expected = "attn, attn-mlp, or a pattern found in paths like " + example,
                                   .seen = config.targets,
                                   .advice = "correct --lora-targets"});
  return modules;
}

}  // namespace

Adapter::Adapter(model::UNet& unet, const LoraConfig& config, uint64_t run_seed, at::Device device)
    : config_(config), modules_(find_modules(unet, config)) {
  int64_t count = 0;
  for (const Module& module : modules_) {
    offsets_.push_back(count);
    count += config.rank * (module.in_features + module.out_features);
  }
  // Drawn on the CPU, so that every device starts from the same values.
  at::Tensor initial = at::zeros({count}, at::kFloat);
  for (size_t i = 0; i < modules_.size(); ++i) {
    const double bound = 1 / std::sqrt(static_cast<double>(modules_[i].in_features));
    a_of(initial, i).uniform_(-bound, bound, generator_for(seed_of(run_seed, 0, i, Stream::kLoraInit)));
  }
  parameters_ = initial.to(device);
  gradients_ = at::zeros_like(parameters_);
  rounded_ = std::make_shared<RoundedParameters>(parameters_);

  size_t next = 0;
  unet.visit_projections([&](const std::string& path, model::ProjectionSlot& slot) {
    if (next == modules_.size() || path != modules_[next].path) return;
    LoraTensors tensors{.a = a_of(parameters_, next),
                        .b = b_of(parameters_, next),
                        .a_gradient = a_of(gradients_, next),
                        .b_gradient = b_of(gradients_, next),
                        .rounded = rounded_};
    tensors.a.set_requires_grad(true);
    slot = std::make_unique<LoraProjection>(std::move(slot), std::move(tensors), config_.scale());
    ++next;
  });
}

at::Tensor Adapter::a_of(const at::Tensor& flat, size_t module) const {
  const Module& m = modules_[module];
  return flat.narrow(0, offsets_[module], config_.rank * m.in_features).view({config_.rank, m.in_features});
}

at::Tensor Adapter::b_of(const at::Tensor& flat, size_t module) const {
  const Module& m = modules_[module];
  return flat.narrow(0, offsets_[module] + config_.rank * m.in_features, config_.rank * m.out_features)
      .view({m.out_features, config_.rank});
}

checkpoint::NamedTensors Adapter::named_tensors() const {
  checkpoint::NamedTensors tensors;
  for (size_t i = 0; i < modules_.size(); ++i) {
    at::Tensor a = a_of(parameters_, i).to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    at::Tensor b = b_of(parameters_, i).to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    if (modules_[i].is_convolution) {
      a = a.unsqueeze(-1).unsqueeze(-1);
      b = b.unsqueeze(-1).unsqueeze(-1);
    }
    tensors.emplace(modules_[i].path + ".lora_A", a);
    tensors.emplace(modules_[i].path + ".lora_B", b);
  }
  return tensors;
}

void Adapter::load(const checkpoint::NamedTensors& tensors) {
  std::vector<std::string> misfits;
  const checkpoint::NamedTensors wanted = named_tensors();
  for (const auto& [name, tensor] : tensors)
    if (!wanted.contains(name)) misfits.push_back("unexpected " + name);
  for (const auto& [name, tensor] : wanted) {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      misfits.push_back("missing " + name);
    else if (found->second.sizes() != tensor.sizes())
      misfits.push_back("misshapen " + name);
  }
  if (!misfits.empty())
    throw Error(ExitCode::kBadData,
                {.what = "the adapter's tensors do not fit this run",
                 .expected = describe(*this, 0),
                 .seen = fmt::format("{}", fmt::join(misfits, ", ")),
                 .advice = "resume with the rank, alpha and targets it was trained with"});
  for (size_t i = 0; i < modules_.size(); ++i) {
    at::Tensor a = a_of(parameters_, i), b = b_of(parameters_, i);
    a.copy_(tensors.at(modules_[i].path + ".lora_A").view(a.sizes()));
    b.copy_(tensors.at(modules_[i].path + ".lora_B").view(b.sizes()));
  }
}

std::string describe(const Adapter& adapter, int64_t base_parameter_count) {
  std::string text = fmt::format("rank {}, alpha {}, targets {}: {} modules, {} parameters",
                                 adapter.config().rank, adapter.config().alpha, adapter.config().targets,
                                 adapter.modules().size(), adapter.parameter_count());
  if (base_parameter_count > 0)
    text += fmt::format(
        " ({:.3f} % of the UNet's {})",
        100.0 * static_cast<double>(adapter.parameter_count()) / static_cast<double>(base_parameter_count),
        base_parameter_count);
  return text;
}

}  // namespace sdlora::lora
