#include "lora/names/numbered_modules.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <c10/util/accumulate.h>

namespace sdlora::lora {
namespace {

using Modules = std::vector<const ModelModule*>;

bool has(const ModelModule& module, std::string_view text) {
  return module.path.find(text) != std::string::npos;
}

bool is_gate(const ModelModule& module) {
  return has(module, ".ff.net.0.proj");
}

bool is_of_attention(const ModelModule& module) {
  return has(module, ".attn1.") || has(module, ".attn2.") || has(module, ".self_attn.");
}

bool is_of_resnet(const ModelModule& module) {
  return has(module, ".resnets.") && module.shape.size() > 1;
}

template <typename Wanted>
Modules those(const ModuleTable& table, Network network, const Wanted& wanted) {
  Modules chosen;
  for (const ModelModule& module : table.modules())
    if (module.network == network && wanted(module)) chosen.push_back(&module);
  return chosen;
}

// diffusers until 0.16: the feed-forward before the second attention.
Modules with_gates_between(const Modules& modules) {
  Modules ordered, second;
  for (const ModelModule* module : modules) {
    if (has(*module, ".attn2.")) {
      second.push_back(module);
      continue;
    }
    ordered.push_back(module);
    if (!is_gate(*module)) continue;
    ordered.insert(ordered.end(), second.begin(), second.end());
    second.clear();
  }
  ordered.insert(ordered.end(), second.begin(), second.end());
  return ordered;
}

bool have(const Modules& modules, const std::vector<MatrixShape>& shapes) {
  return std::equal(modules.begin(), modules.end(), shapes.begin(), shapes.end(),
                    [](const ModelModule* module, const MatrixShape& shape) {
                      const int64_t out = module->shape.front();
                      return MatrixShape(out, c10::multiply_integers(module->shape) / out) == shape;
                    });
}

}  // namespace

std::optional<NumberedName> parse_numbered_name(const std::string& name) {
  size_t place = 0;
  const char* const end_of_name = name.data() + name.size();
  if (const auto [rest, failure] = std::from_chars(name.data(), end_of_name, place);
      failure == std::errc() && rest == end_of_name && !name.empty())
    return NumberedName{.network = Network::kUnet, .number = place / 2, .is_up = place % 2 == 0};
  for (const auto& [prefix, network] : {std::pair<std::string_view, Network>{"unet:", Network::kUnet},
                                        {"text_encoder:", Network::kTextEncoder}}) {
    if (!name.starts_with(prefix)) continue;
    NumberedName numbered{.network = network, .number = 0, .is_up = name.ends_with(":up")};
    const char* const begin = name.data() + prefix.size();
    const char* const end = name.data() + name.size();
    const auto [rest, failure] = std::from_chars(begin, end, numbered.number);
    const std::string_view part(rest, static_cast<size_t>(end - rest));
    if (failure == std::errc() && rest != begin && (part == ":up" || part == ":down")) return numbered;
  }
  return std::nullopt;
}

std::vector<const ModelModule*> numbered_modules(const ModuleTable& table, Network network,
                                                 const std::vector<MatrixShape>& shapes) {
  const Modules attention = those(table, network, is_of_attention);
  const Modules gates = those(
      table, network, [](const ModelModule& module) { return is_of_attention(module) || is_gate(module); });
  const Modules resnets = those(table, network, [](const ModelModule& module) {
    return is_of_attention(module) || is_gate(module) || is_of_resnet(module);
  });
  for (const Modules& list :
       {with_gates_between(gates), attention, gates, with_gates_between(resnets), resnets})
    if (have(list, shapes)) return list;
  return {};
}

}  // namespace sdlora::lora
