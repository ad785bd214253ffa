#include "lora/adapter.h"

#include <algorithm>
#include <cmath>
#include <iterator>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/error.h"
#include "common/seeds.h"
#include "lora/dora_convolution.h"
#include "lora/dora_projection.h"
#include "lora/lora_convolution.h"
#include "lora/lora_projection.h"
#include "lora/module_ranks.h"
#include "lora/targets.h"

namespace sdlora::lora {
namespace {

// All layers of both networks that can take an adapter, the UNet's first.
void visit_slots(model::UNet& unet, model::ClipTextEncoder* text_encoder, const model::SlotVisitor& visitor) {
  unet.visit_slots(visitor);
  if (text_encoder != nullptr) text_encoder->visit_slots(visitor);
}

// Rank and alpha are still to be found.
std::vector<Adapter::Module> all_modules(model::UNet& unet, model::ClipTextEncoder* text_encoder) {
  std::vector<Adapter::Module> modules;
  const auto network_of = [](const std::string& path) {
    return path.starts_with("text_model.") ? Network::kTextEncoder : Network::kUnet;
  };
  visit_slots(unet, text_encoder,
              {.projection =
                   [&](const std::string& path, model::ProjectionSlot& slot) {
                     modules.push_back({.network = network_of(path),
                                        .path = path,
                                        .in_features = slot->in_features(),
                                        .out_features = slot->out_features(),
                                        .kernel_size = slot->is_convolution() ? 1 : 0,
                                        .is_projection = true,
                                        .rank = 0,
                                        .alpha = 0});
                   },
               .convolution =
                   [&](const std::string& path, model::ConvolutionSlot& slot) {
                     const model::Convolution& base = slot->base();
                     modules.push_back({.network = network_of(path),
                                        .path = path,
                                        .in_features = base.in_channels * base.kernel_size * base.kernel_size,
                                        .out_features = base.bias.size(0),
                                        .kernel_size = base.kernel_size,
                                        .is_projection = false,
                                        .rank = 0,
                                        .alpha = 0});
                   }});
  return modules;
}

void check_targets(const std::vector<Adapter::Module>& targeted, Network network, const LoraConfig& config) {
  if (std::any_of(targeted.begin(), targeted.end(),
                  [&](const Adapter::Module& module) { return module.network == network; }))
    return;
  const bool is_unet = network == Network::kUnet;
  throw Error(
      ExitCode::kUsage,
      {.what = std::string("--lora-targets matches no module of the ") + (is_unet ? "UNet" : "text encoder"),
       .expected = std::string("attn, attn-mlp, full, or a pattern found in paths like ") +
                   (is_unet ? "mid_block.attentions.0.transformer_blocks.0.attn1.to_q"
                            : "text_model.encoder.layers.0.self_attn.q_proj"),
       .seen = config.targets,
       .advice =
           is_unet ? "correct --lora-targets" : "correct --lora-targets, or leave --train-text-encoder out"});
}

// Gives the targeted modules their rank and alpha; without those whose rank is 0.
std::vector<Adapter::Module> ranked(const std::vector<Adapter::Module>& targeted, const LoraConfig& config) {
  ModuleRanks ranks(config);
  std::vector<Adapter::Module> modules;
  for (Adapter::Module module : targeted)
    if (const auto found = ranks.of(module.path, module.kernel_size > 1)) {
      module.rank = found->rank;
      module.alpha = found->alpha;
      module.has_magnitude = config.kind == LoraKind::kDora;
      modules.push_back(std::move(module));
    }
  if (const std::vector<std::string> unused = ranks.unused_patterns(); !unused.empty())
    throw Error(ExitCode::kUsage,
                {.what = "--lora-rank-pattern matches no module that gets an adapter, or only ones that an "
                         "earlier one matches",
                 .expected = "a pattern found in paths like " + targeted.back().path,
                 .seen = fmt::format("{}", fmt::join(unused, ", ")),
                 .advice = "correct --lora-rank-pattern, or --lora-targets"});
  const auto is_of_text_encoder = [](const Adapter::Module& module) {
    return module.network == Network::kTextEncoder;
  };
  if (config.trains_text_encoder && std::none_of(modules.begin(), modules.end(), is_of_text_encoder))
    throw Error(ExitCode::kUsage, {.what = "no module of the text encoder is left to train",
                                   .expected = "a --lora-rank-pattern with a rank above 0 for some of them",
                                   .seen = fmt::format("{}", fmt::join(config.rank_patterns, ", ")),
                                   .advice = "leave --train-text-encoder out"});
  if (modules.empty())
    throw Error(ExitCode::kUsage, {.what = "no module is left to train",
                                   .expected = "a --lora-rank-pattern with a rank above 0 for some of them",
                                   .seen = fmt::format("{}", fmt::join(config.rank_patterns, ", ")),
                                   .advice = "correct --lora-rank-pattern"});
  return modules;
}

std::vector<Adapter::Module> find_modules(model::UNet& unet, model::ClipTextEncoder* text_encoder,
                                          const LoraConfig& config) {
  const std::vector<Adapter::Module> all = all_modules(unet, text_encoder);
  const Targets targets(config.targets);
  std::vector<Adapter::Module> targeted;
  std::copy_if(all.begin(), all.end(), std::back_inserter(targeted),
               [&](const Adapter::Module& module) { return targets.contains(module.path); });
  check_targets(targeted, Network::kUnet, config);
  if (text_encoder != nullptr) check_targets(targeted, Network::kTextEncoder, config);
  return ranked(targeted, config);
}

}  // namespace

Adapter::Adapter(model::UNet& unet, const LoraConfig& config, uint64_t run_seed, at::Device device,
                 model::ClipTextEncoder* text_encoder)
    : config_(config), modules_(find_modules(unet, text_encoder, config)) {
  int64_t count = 0;
  for (const Module& module : modules_) {
    offsets_.push_back(count);
    count += module.parameter_count();
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
  dropout_ = std::make_shared<BranchDropout>(config_.dropout);

  size_t next = 0;
  const auto is_next = [&](const std::string& path) {
    return next != modules_.size() && path == modules_[next].path;
  };
  visit_slots(unet, text_encoder,
              {.projection =
                   [&](const std::string& path, model::ProjectionSlot& slot) {
                     if (is_next(path)) attach<LoraProjection, DoraProjection>(slot, next++);
                   },
               .convolution =
                   [&](const std::string& path, model::ConvolutionSlot& slot) {
                     if (is_next(path)) attach<LoraConvolution, DoraConvolution>(slot, next++);
                   }});
  TORCH_INTERNAL_ASSERT(next == modules_.size());
}

Branch Adapter::branch_of(size_t module) {
  Branch branch{.a = a_of(parameters_, module),
                .b = b_of(parameters_, module),
                .a_gradient = a_of(gradients_, module),
                .b_gradient = b_of(gradients_, module),
                .scale = modules_[module].scale(),
                .rounded = rounded_,
                .dropout = dropout_,
                .module = module};
  branch.a.set_requires_grad(true);
  return branch;
}

template <typename Lora, typename Dora, typename Slot>
void Adapter::attach(Slot& slot, size_t module) {
  if (!modules_[module].has_magnitude) {
    slot = std::make_unique<Lora>(std::move(slot), branch_of(module));
    return;
  }
  const at::Tensor& weight = slot->base().weight;
  TORCH_INTERNAL_ASSERT(weight.defined(), "a kernel has taken the weight: ComputeMode::keeps_weight");
  magnitudes_.push_back(std::make_shared<Magnitude>(magnitude_of(parameters_, module),
                                                    magnitude_of(gradients_, module), weight));
  slot = std::make_unique<Dora>(std::move(slot), branch_of(module), magnitudes_.back());
}

void Adapter::refresh() {
  rounded_->refresh();
  for (size_t module = 0; module < magnitudes_.size(); ++module) magnitudes_[module]->gain(branch_of(module));
}

void Adapter::set_magnitudes_to_lengths() {
  for (size_t module = 0; module < magnitudes_.size(); ++module)
    magnitudes_[module]->set_to_length(branch_of(module));
}

at::Tensor Adapter::a_of(const at::Tensor& flat, size_t module) const {
  const Module& m = modules_[module];
  return flat.narrow(0, offsets_[module], m.rank * m.in_features).view({m.rank, m.in_features});
}

at::Tensor Adapter::b_of(const at::Tensor& flat, size_t module) const {
  const Module& m = modules_[module];
  return flat.narrow(0, offsets_[module] + m.rank * m.in_features, m.rank * m.out_features)
      .view({m.out_features, m.rank});
}

at::Tensor Adapter::magnitude_of(const at::Tensor& flat, size_t module) const {
  const Module& m = modules_[module];
  if (!m.has_magnitude) return {};
  return flat.narrow(0, offsets_[module] + m.rank * (m.in_features + m.out_features), m.out_features);
}

checkpoint::NamedTensors Adapter::named_tensors() const {
  checkpoint::NamedTensors tensors;
  for (size_t i = 0; i < modules_.size(); ++i) {
    at::Tensor a = a_of(parameters_, i).to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    at::Tensor b = b_of(parameters_, i).to(at::kCPU, /*non_blocking=*/false, /*copy=*/true);
    if (const int64_t size = modules_[i].kernel_size; size > 0) {
      a = a.view({a.size(0), -1, size, size});
      b = b.unsqueeze(-1).unsqueeze(-1);
    }
    tensors.emplace(modules_[i].path + ".lora_A", a);
    tensors.emplace(modules_[i].path + ".lora_B", b);
    if (const at::Tensor magnitude = magnitude_of(parameters_, i); magnitude.defined())
      tensors.emplace(modules_[i].path + ".lora_magnitude_vector",
                      magnitude.to(at::kCPU, /*non_blocking=*/false, /*copy=*/true));
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
                 .advice = "resume with the ranks, alphas and targets it was trained with; a regular "
                           "expression of --lora-targets finds convolutions, too, since 0.2.0"});
  for (size_t i = 0; i < modules_.size(); ++i) {
    at::Tensor a = a_of(parameters_, i), b = b_of(parameters_, i);
    a.copy_(tensors.at(modules_[i].path + ".lora_A").view(a.sizes()));
    b.copy_(tensors.at(modules_[i].path + ".lora_B").view(b.sizes()));
    if (at::Tensor magnitude = magnitude_of(parameters_, i); magnitude.defined())
      magnitude.copy_(tensors.at(modules_[i].path + ".lora_magnitude_vector"));
  }
}

std::map<std::string, double> Adapter::other_alphas() const {
  std::map<std::string, double> others;
  for (const Module& module : modules_)
    if (module.alpha != config_.alpha) others.emplace(module.path, module.alpha);
  return others;
}

namespace {

// "; rank 8, alpha 4 in 50 of them", of the modules whose rank or alpha is not the adapter's own.
std::string other_ranks_in_words(const Adapter& adapter) {
  std::map<std::pair<int64_t, double>, int> counts;
  for (const Adapter::Module& module : adapter.modules()) ++counts[{module.rank, module.alpha}];
  counts.erase({adapter.config().rank, adapter.config().alpha});
  std::string text;
  for (const auto& [rank_and_alpha, count] : counts)
    text += fmt::format("; rank {}, alpha {:g} in {} of them", rank_and_alpha.first, rank_and_alpha.second,
                        count);
  return text;
}

std::string dropout_in_words(const DropoutRates& rates) {
  std::string text;
  const auto add = [&](double rate, const char* of) {
    if (rate > 0) text += fmt::format("{} {:g} of {}", text.empty() ? "; dropout" : ",", rate, of);
  };
  add(rates.neuron, "numbers");
  add(rates.rank, "ranks");
  add(rates.module, "modules");
  return text;
}

}  // namespace

std::string describe(const Adapter& adapter, int64_t base_parameter_count) {
  const LoraConfig& config = adapter.config();
  std::string text = fmt::format("{}rank {}, alpha {}, targets {}: {} modules, {} parameters",
                                 config.kind == LoraKind::kDora ? "DoRA, " : "", config.rank, config.alpha,
                                 config.targets, adapter.modules().size(), adapter.parameter_count());
  if (base_parameter_count > 0)
    text += fmt::format(
        " ({:.3f} % of the {} {})",
        100.0 * static_cast<double>(adapter.parameter_count()) / static_cast<double>(base_parameter_count),
        config.trains_text_encoder ? "UNet's and text encoder's" : "UNet's", base_parameter_count);
  return text + other_ranks_in_words(adapter) + dropout_in_words(config.dropout);
}

}  // namespace sdlora::lora
