#include "lora/adapter_norms.h"

#include <cmath>

#include <ATen/ATen.h>

#include "lora/names/module_block.h"

namespace sdlora::lora {
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
