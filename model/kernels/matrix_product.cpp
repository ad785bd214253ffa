#include "model/kernels/matrix_product.h"

#include <ATen/ATen.h>
#include <dnnl.hpp>

#include "model/kernels/onednn_type.h"

namespace sdlora::model::kernels {
namespace {

using dnnl::memory;

memory::desc layout_of(const at::Tensor& matrix) {
  return {matrix.sizes().vec(), onednn_type(matrix.scalar_type()), matrix.strides().vec()};
}

at::Tensor onednn_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                          at::ScalarType product_dtype) {
  const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  std::vector<int64_t> shape = left.sizes().vec();
  shape.back() = right.size(-1);
  at::Tensor product = at::empty(shape, left.options().dtype(product_dtype));
  const memory::desc bias_layout =
      bias.defined()
          ? memory::desc({1, bias.size(0)}, onednn_type(bias.scalar_type()), memory::dims{bias.size(0), 1})
          : memory::desc();
  // oneDNN keeps what it planned for a shape, so planning it again is cheap.
  const dnnl::matmul::primitive_desc plan(engine, layout_of(left), layout_of(right), bias_layout,
                                          layout_of(product));
  std::unordered_map<int, memory> arguments{
      {DNNL_ARG_SRC, memory(plan.src_desc(), engine, left.data_ptr())},
      {DNNL_ARG_WEIGHTS, memory(plan.weights_desc(), engine, right.data_ptr())},
      {DNNL_ARG_DST, memory(plan.dst_desc(), engine, product.data_ptr())}};
  if (bias.defined()) arguments.emplace(DNNL_ARG_BIAS, memory(bias_layout, engine, bias.data_ptr()));
  dnnl::stream stream(engine);
  dnnl::matmul(plan).execute(stream, arguments);
  stream.wait();
  return product;
}

}  // namespace

at::Tensor matrix_product(const at::Tensor& left, const at::Tensor& right, const at::Tensor& bias,
                          bool by_onednn, std::optional<at::ScalarType> product_dtype) {
  const at::ScalarType dtype = product_dtype.value_or(left.scalar_type());
  if (by_onednn) return onednn_product(left, right, bias, dtype);
  TORCH_CHECK(dtype == left.scalar_type(), "ATen's product of ", left.scalar_type(), " is not ", dtype);
  return bias.defined() ? at::addmm(bias, left, right) : at::matmul(left, right);
}

}  // namespace sdlora::model::kernels
