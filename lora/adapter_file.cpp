#include "lora/adapter_file.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "checkpoint/tensor_file.h"
#include "lora/adapter_place.h"
#include "lora/default_alpha.h"
#include "lora/kinds/read_module.h"
#include "lora/names/adapter_names.h"
#include "lora/names/flat_name.h"
#include "lora/names/numbered_modules.h"
#include "lora/other_files.h"

namespace sdlora::lora {
namespace {

namespace fs = std::filesystem;

template <typename Tensors>
std::set<std::string> names_in(const Tensors& tensors) {
  std::set<std::string> names;
  for (const auto& [name, tensor] : tensors) names.insert(name);
  return names;
}

// In memory of their own, since the file may be replaced. One of gigabytes that is none of ours is known by
// its header.
checkpoint::NamedTensors tensors_of(const fs::path& path, checkpoint::Metadata& metadata) {
  const std::shared_ptr<const checkpoint::TensorFile> file = checkpoint::open_tensor_file(path);
  refuse_other_files(path, names_in(file->tensors()));
  metadata = file->metadata();
  checkpoint::NamedTensors tensors;
  for (const auto& [name, description] : file->tensors()) tensors.emplace(name, file->tensor(name).clone());
  return tensors;
}

// A path of a UNet or text encoder as diffusers and transformers build them, whatever its size.
bool is_path_of_sd(const std::string& dotted) {
  for (const char* beginning : {"down_blocks.", "up_blocks.", "mid_block.", "time_embedding.", "text_model."})
    if (dotted.starts_with(beginning)) return true;
  return false;
}

class AdapterReader {
 public:
  AdapterReader(const fs::path& file, const ModuleTable& table)
      : table_(table),
        tensors_(tensors_of(file, adapter_.metadata)),
        default_alpha_(file, adapter_.metadata) {
    adapter_.file = file;
    adapter_.tensor_count = static_cast<int64_t>(tensors_.size());
    adapter_.family = family_by_names(names_in(tensors_));
  }

  AdapterFile read() {
    find_numbered_modules();
    for (const auto& [tensor_name, tensor] : tensors_)
      if (const auto numbered = parse_numbered_name(tensor_name))
        add_numbered(*numbered, tensor_name, tensor);
      else
        add(parse_adapter_name(tensor_name), tensor_name, tensor);
    for (const auto& [path, module] : modules_) read(path, module);
    return std::move(adapter_);
  }

 private:
  struct Module {
    Naming naming;
    Network network;
    ModuleParts parts;
    LeftOut unsupported;
  };

  // A pair of cloneofsimo/lora's for each number, and the modules that their shapes say.
  void find_numbered_modules() {
    std::map<Network, std::map<size_t, MatrixShape>> shapes;
    for (const auto& [name, tensor] : tensors_)
      if (const auto numbered = parse_numbered_name(name); numbered && tensor.dim() >= 2) {
        MatrixShape& shape = shapes[numbered->network][numbered->number];
        (numbered->is_up ? shape.first : shape.second) =
            numbered->is_up ? tensor.size(0) : tensor.numel() / std::max<int64_t>(tensor.size(0), 1);
      }
    for (const auto& [network, by_number] : shapes) {
      std::vector<MatrixShape> list;
      for (const auto& [number, shape] : by_number)
        if (number == list.size()) list.push_back(shape);  // else one is missing, and nothing fits
      numbered_modules_[network] = numbered_modules(table_, network, list);
      if (numbered_modules_[network].empty())  // a list does not say of which network it is
        numbered_modules_[network] = numbered_modules(table_, Network::kTextEncoder, list);
      if (!numbered_modules_[network].empty()) continue;
      for (const bool is_sd2 : {false, true})
        if (const ModuleTable other = ModuleTable::standard(is_sd2);
            !numbered_modules(other, network, list).empty())
          adapter_.context_channels = other.context_channels();
    }
  }

  void add_numbered(const NumberedName& numbered, const std::string& tensor_name, const at::Tensor& tensor) {
    const auto& modules = numbered_modules_[numbered.network];
    if (numbered.number < modules.size())
      module_at(modules[numbered.number]->path, Naming::kNumbered, modules[numbered.number]->network)
          .parts.add(numbered.is_up ? Part::kB : Part::kA, tensor_name, tensor);
    else
      leave_out("numbered modules (cloneofsimo/lora) that are not this model's", tensor_name);
  }

  void add(const AdapterName& name, const std::string& tensor_name, const at::Tensor& tensor) {
    note_context_channels(name, tensor);
    const std::string kind = name.unsupported_kind;
    if (const ModelModule* known = table_.find(name.module)) {
      Module& module = module_at(known->path, name.naming, known->network);
      if (kind.empty())
        module.parts.add(name.part, tensor_name, tensor);
      else
        module.unsupported[kind].push_back(tensor_name);
    } else if (const ModelModule* beginning = find_beginning(name)) {
      module_at(beginning->path, name.naming, beginning->network)
          .unsupported[kind.empty() ? "unknown names" : kind]
          .push_back(tensor_name);
    } else if (kind.empty() && is_path_of_sd(name.dotted)) {
      const bool is_text = name.dotted.starts_with("text_model.");
      module_at(name.dotted, name.naming, is_text ? Network::kTextEncoder : Network::kUnet)
          .parts.add(name.part, tensor_name, tensor);
    } else {
      leave_out(kind.empty() ? "modules that this model does not have" : kind, tensor_name);
    }
  }

  // The module that a name of an unknown part is of: its others would mean something else without it.
  const ModelModule* find_beginning(const AdapterName& name) const {
    constexpr int kMostWords = 4;
    const ModelModule* found = nullptr;
    std::string_view beginning = name.dotted;
    for (int i = 0; found == nullptr && i < kMostWords; ++i) {
      const size_t dot = beginning.rfind('.');
      if (dot == std::string_view::npos) break;
      beginning = beginning.substr(0, dot);
      found = table_.find(flat_name(std::string(beginning)));
    }
    return found;
  }

  Module& module_at(const std::string& path, Naming naming, Network network) {
    adapter_.naming = text_of(naming);
    return modules_
        .try_emplace(
            path,
            Module{
                .naming = naming, .network = network, .parts = ModuleParts(adapter_.file), .unsupported = {}})
        .first->second;
  }

  // What keys and values of captions are made of.
  void note_context_channels(const AdapterName& name, const at::Tensor& tensor) {
    if (name.part == Part::kA && tensor.dim() >= 2 &&
        (name.module.ends_with("attn2_to_k") || name.module.ends_with("attn2_to_v")))
      adapter_.context_channels = tensor.size(1);
  }

  void read(const std::string& path, const Module& module) {
    if (!module.unsupported.empty()) return leave_out(module.unsupported.begin()->first, module);
    const ModuleContext context{.default_alpha =
                                    [&](int64_t rank) {
                                      return default_alpha_.of({module.naming, module.network, path}, rank);
                                    },
                                .takes_zero_alpha_for_rank = module.naming == Naming::kKohya,
                                .is_of_peft = module.naming == Naming::kPeft};
    ModuleRead read = read_module(module.parts, context);
    if (!read.unsupported_kind.empty()) return leave_out(read.unsupported_kind, module);
    if (read.dora) adapter_.doras.emplace(path, std::move(*read.dora));
    if (read.change)
      adapter_.others.emplace(path, std::move(*read.change));
    else
      (module.network == Network::kUnet ? adapter_.unet : adapter_.text_encoder)
          .emplace(path, std::move(*read.pair));
  }

  void leave_out(const std::string& kind, const std::string& tensor_name) {
    adapter_.left_out[kind].push_back(tensor_name);
  }

  void leave_out(const std::string& kind, const Module& module) {
    std::vector<std::string>& names = adapter_.left_out[kind];
    for (const auto& [other_kind, unsupported] : module.unsupported)
      names.insert(names.end(), unsupported.begin(), unsupported.end());
    for (const std::string& name : module.parts.tensor_names()) names.push_back(name);
  }

  const ModuleTable& table_;
  AdapterFile adapter_;
  checkpoint::NamedTensors tensors_;
  DefaultAlpha default_alpha_;
  std::map<Network, std::vector<const ModelModule*>> numbered_modules_;
  std::map<std::string, Module> modules_;  // by path, which is of one network only
};

}  // namespace

AdapterFile read_adapter(const fs::path& file, const ModuleTable& table) {
  return AdapterReader(adapter_file_at(file), table).read();
}

// 2.x has all names of 1.x, and more; but modules that are only numbered are known by their shapes.
AdapterFile read_adapter(const fs::path& file) {
  const ModuleTable sd1 = ModuleTable::standard(false), sd2 = ModuleTable::standard(true);
  AdapterFile adapter = read_adapter(file, sd2);
  return adapter.context_channels == sd1.context_channels() ? read_adapter(file, sd1) : adapter;
}

}  // namespace sdlora::lora
