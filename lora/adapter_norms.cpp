#include "lora/adapter_norms.h"

#include <cmath>

#include <ATen/ATen.h>

namespace sdlora::lora {
namespace {

// "down_blocks.0.attentions.1.…" → "down_blocks.0", "mid_block.attentions.0.…" → "mid_block"
std::string block_of(const std::string& path) {
  const size_t first = path.find('.');
  if (first == std::string::npos || first + 1 == path.size() || std::isdigit(path[first + 1]) == 0)
    return path.substr(0, first);
  return path.substr(0, path.find('.', first + 1));
}

}  // namespace

std::vector<BlockNorms> block_norms(const Adapter& adapter) {
  std::vector<at::Tensor> matrices;  // A, B of module 0, A, B of module 1 …
  for (size_t module = 0; module < adapter.modules().size(); ++module) {
    matrices.push_back(adapter.a(module).detach());
    matrices.push_back(adapter.b(module).detach());
  }
  const at::Tensor norms = at::stack(at::_foreach_norm(matrices)).to(at::kCPU, at::kDouble);  // [2 × modules]
  const double* norm = norms.const_data_ptr<double>();

  std::vector<BlockNorms> blocks;
  for (const Adapter::Module& module : adapter.modules()) {
    const std::string block = block_of(module.path);
    if (blocks.empty() || blocks.back().block != block) blocks.push_back({.block = block, .a = 0, .b = 0});
    blocks.back().a = std::hypot(blocks.back().a, *norm++);
    blocks.back().b = std::hypot(blocks.back().b, *norm++);
  }
  return blocks;
}

}  // namespace sdlora::lora
