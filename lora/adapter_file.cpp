#include "lora/adapter_file.h"

#include <algorithm>

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include "checkpoint/printable.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch_zip.h"
#include "common/atomic_file.h"
#include "common/error.h"
#include "lora/adapter_names.h"
#include "lora/default_alpha.h"

namespace sdlora::lora {
namespace {

namespace fs = std::filesystem;

// The tensors that a file has for one module, by name.
struct ModuleTensors {
  AdapterName name;  // of any of them
  std::string a, b, alpha;
  LeftOut unsupported;

  std::vector<std::string> tensor_names() const {
    std::vector<std::string> names;
    for (const std::string& part : {a, b, alpha})
      if (!part.empty()) names.push_back(part);
    return names;
  }
};

class AdapterReader {
 public:
  explicit AdapterReader(const fs::path& file)
      : tensors_(file.extension() == ".safetensors" ? checkpoint::read_safetensors(file, &metadata_)
                                                    : checkpoint::read_torch_zip(file)),
        default_alpha_(file, metadata_) {
    adapter_.file = file;
    adapter_.tensor_count = static_cast<int64_t>(tensors_.size());
  }

  AdapterFile read() {
    for (const auto& [network_and_path, module] : group_by_module()) {
      if (!module.unsupported.empty())
        leave_out(module, module.unsupported.begin()->first);
      else if (module.a.empty() && module.b.empty())
        leave_out(module, "alpha without A and B");
      else
        (module.name.network == Network::kUnet ? adapter_.unet : adapter_.text_encoder)
            .emplace(module.name.path, pair_of(module));
    }
    return std::move(adapter_);
  }

 private:
  using Modules = std::map<std::pair<Network, std::string>, ModuleTensors>;

  Modules group_by_module() {
    Modules modules;
    for (const auto& [tensor_name, tensor] : tensors_) {
      const AdapterName name = parse_adapter_name(tensor_name);
      ModuleTensors& module = modules[{name.network, name.path}];
      module.name = name;
      if (name.part == Part::kUnsupported) {
        module.unsupported[name.unsupported_kind].push_back(tensor_name);
        continue;
      }
      adapter_.naming = text_of(name.naming);
      std::string& place = name.part == Part::kA ? module.a : name.part == Part::kB ? module.b : module.alpha;
      if (!place.empty()) refuse(tensor_name, "one tensor for each part of a module", "also " + place);
      place = tensor_name;
    }
    return modules;
  }

  void leave_out(const ModuleTensors& module, const std::string& kind) {
    std::vector<std::string>& names = adapter_.left_out[kind];
    for (const auto& [other_kind, unsupported] : module.unsupported)
      names.insert(names.end(), unsupported.begin(), unsupported.end());
    for (const std::string& name : module.tensor_names()) names.push_back(name);
  }

  LowRankPair pair_of(const ModuleTensors& module) {
    if (module.a.empty() || module.b.empty())
      refuse(module.a.empty() ? module.b : module.a, "A and B (down and up) of every module",
             module.a.empty() ? "no A" : "no B");
    LowRankPair pair{
        .a = matrix(module.a), .b = matrix(module.b), .alpha = 0, .tensor_names = module.tensor_names()};
    if (pair.rank() < 1 || pair.b.size(1) != pair.rank())
      refuse(module.b, "[out, r] for A [r, in] of the same rank r",
             fmt::format("B {}, A {}", c10::str(pair.b.sizes()), c10::str(pair.a.sizes())));
    if (pair.b.dim() == 4 && (pair.b.size(2) != 1 || pair.b.size(3) != 1))
      refuse(module.b, "[out, r, 1, 1]", c10::str(pair.b.sizes()));
    pair.alpha = module.alpha.empty() ? default_alpha_.of(module.name, pair.rank()) : alpha(module.alpha);
    // kohya's 0 says that alpha was not set, which is alpha = rank (networks/lora.py LoRAModule).
    if (pair.alpha == 0 && module.name.naming == Naming::kKohya)
      pair.alpha = static_cast<double>(pair.rank());
    return pair;
  }

  at::Tensor numbers(const std::string& name) {
    const at::Tensor& tensor = tensors_.at(name);
    const bool is_whole = at::isIntegralType(tensor.scalar_type(), /*includeBool=*/false);
    if (!at::isFloatingType(tensor.scalar_type()) && !(is_whole && tensor.numel() == 1))  // diffusers' alphas
      refuse(name, "floating-point numbers", at::toString(tensor.scalar_type()));
    at::Tensor values = tensor.to(at::kFloat).contiguous();
    if (!at::isfinite(values).all().item<bool>()) refuse(name, "finite numbers", "infinite or not a number");
    return values;
  }

  at::Tensor matrix(const std::string& name) {
    at::Tensor values = numbers(name);
    if (values.dim() != 2 && values.dim() != 4)
      refuse(name, "a matrix, or the kernel of a convolution", c10::str(values.sizes()));
    return values;
  }

  double alpha(const std::string& name) {
    if (tensors_.at(name).numel() != 1)
      refuse(name, "one number", fmt::format("shape {}", c10::str(tensors_.at(name).sizes())));
    return numbers(name).item<double>();
  }

  [[noreturn]] void refuse(const std::string& tensor, const std::string& expected, const std::string& seen) {
    throw Error(ExitCode::kBadData, {.what = "an adapter's tensor is not usable",
                                     .expected = expected,
                                     .seen = checkpoint::printable(seen),
                                     .where = fmt::format("tensor {} of {}", checkpoint::printable(tensor),
                                                          adapter_.file.string())});
  }

  checkpoint::Metadata metadata_;
  checkpoint::NamedTensors tensors_;
  DefaultAlpha default_alpha_;
  AdapterFile adapter_;
};

}  // namespace

void write_adapter(const fs::path& file, const TrainedAdapter& adapter) {
  const nlohmann::ordered_json description{
      {"format", "sdlora adapter 1"},  {"rank", adapter.config.rank},
      {"alpha", adapter.config.alpha}, {"targets", adapter.config.targets},
      {"step", adapter.step},          {"base_model_sha256", adapter.base_model_hash}};
  write_text_atomically(description_of(file), description.dump(2) + "\n");
  checkpoint::write_torch_zip(file, adapter.tensors);
}

AdapterFile read_adapter(const fs::path& file) {
  return AdapterReader(file).read();
}

std::string describe(const LeftOut& left_out) {
  constexpr size_t kNamesShown = 3;
  std::vector<std::string> kinds;
  for (const auto& [kind, names] : left_out) {
    std::vector<std::string> shown;
    for (size_t i = 0; i < std::min(names.size(), kNamesShown); ++i)
      shown.push_back(checkpoint::printable(names[i]));
    if (names.size() > kNamesShown) shown.push_back("…");
    kinds.push_back(fmt::format("{} of {} ({})", names.size(), kind, fmt::join(shown, ", ")));
  }
  return fmt::format("{}", fmt::join(kinds, "; "));
}

}  // namespace sdlora::lora
