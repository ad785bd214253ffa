#include "model/kernels/packed_convolution.h"

#include <map>
#include <mutex>

#include <ATen/ATen.h>
#include <dnnl.hpp>

#include "model/kernels/onednn_type.h"

namespace sdlora::model::kernels {
namespace {

using dnnl::memory;
using Tag = memory::format_tag;

// A primitive for one input shape, with the weight in the layout it wants.
struct Plan {
  dnnl::primitive primitive;
  memory weight;
  memory::desc input, output, scratch;
  std::vector<int64_t> output_shape;
};

}  // namespace

struct PackedConvolution::State {
  at::Tensor weight, bias;  // [out, in, k, k], [out]
  memory::dims strides, padding;
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  std::mutex mutex;                              // for what follows
  std::vector<memory> packed;                    // the weight, once for each layout asked for
  std::map<std::vector<int64_t>, Plan> forward;  // by input shape
  std::map<std::vector<int64_t>, Plan> backward;

  // Everything is of the weight's type.
  memory::desc layout(at::IntArrayRef shape, Tag tag) const {
    return {shape.vec(), onednn_type(weight.scalar_type()), tag};
  }

  memory packed_as(const memory::desc& wanted) {
    for (const memory& have : packed)
      if (have.get_desc() == wanted) return have;
    memory plain(layout(weight.sizes(), Tag::abcd), engine, weight.data_ptr());
    memory fitting(wanted, engine);
    dnnl::stream stream(engine);
    dnnl::reorder(plain, fitting).execute(stream, plain, fitting);
    stream.wait();
    packed.push_back(fitting);
    return fitting;
  }

  dnnl::convolution_forward::primitive_desc forward_descriptor(at::IntArrayRef input_shape) const {
    std::vector<int64_t> output_shape = input_shape.vec();
    output_shape[1] = weight.size(0);
    for (const size_t i : {2, 3})
      output_shape[i] = (input_shape[i] + 2 * padding[0] - weight.size(2)) / strides[0] + 1;
    return {engine,
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::convolution_direct,
            layout(input_shape, Tag::nhwc),
            layout(weight.sizes(), Tag::any),
            layout(bias.sizes(), Tag::a),
            layout(output_shape, Tag::nhwc),
            strides,
            padding,
            padding,
            with_callers_scratch()};
  }

  static dnnl::primitive_attr with_callers_scratch() {
    dnnl::primitive_attr attributes;
    attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attributes;
  }

  // Plans stay where they are: the others of a map do not move when one is added.
  const Plan& forward_plan(at::IntArrayRef input_shape) {
    const std::lock_guard lock(mutex);
    const auto known = forward.find(input_shape.vec());
    if (known != forward.end()) return known->second;
    const auto descriptor = forward_descriptor(input_shape);
    return forward[input_shape.vec()] = {.primitive = dnnl::convolution_forward(descriptor),
                                         .weight = packed_as(descriptor.weights_desc()),
                                         .input = descriptor.src_desc(),
                                         .output = descriptor.dst_desc(),
                                         .scratch = descriptor.scratchpad_desc(),
                                         .output_shape = descriptor.dst_desc().get_dims()};
  }

  const Plan& backward_plan(at::IntArrayRef input_shape) {
    const std::lock_guard lock(mutex);
    const auto known = backward.find(input_shape.vec());
    if (known != backward.end()) return known->second;
    const auto hint = forward_descriptor(input_shape);
    const dnnl::convolution_backward_data::primitive_desc descriptor(
        engine, dnnl::algorithm::convolution_direct, hint.src_desc(), layout(weight.sizes(), Tag::any),
        hint.dst_desc(), strides, padding, padding, hint, with_callers_scratch());
    return backward[input_shape.vec()] = {.primitive = dnnl::convolution_backward_data(descriptor),
                                          .weight = packed_as(descriptor.weights_desc()),
                                          .input = descriptor.diff_dst_desc(),
                                          .output = descriptor.diff_src_desc(),
                                          .scratch = descriptor.scratchpad_desc(),
                                          .output_shape = input_shape.vec()};
  }

  at::Tensor run(const Plan& plan, const at::Tensor& input, int input_argument, int output_argument) {
    TORCH_CHECK(input.is_cpu() && input.scalar_type() == weight.scalar_type(), "a packed convolution in ",
                weight.scalar_type(), " is given ", input.scalar_type());
    const at::Tensor in = input.contiguous(at::MemoryFormat::ChannelsLast);
    at::Tensor out = at::empty(plan.output_shape, in.options(), at::MemoryFormat::ChannelsLast);
    const at::Tensor scratch =
        at::empty({static_cast<int64_t>(plan.scratch.get_size())}, in.options().dtype(at::kByte));
    dnnl::stream stream(engine);
    plan.primitive.execute(stream,
                           {{input_argument, memory(plan.input, engine, in.data_ptr())},
                            {DNNL_ARG_WEIGHTS, plan.weight},
                            {DNNL_ARG_BIAS, memory(layout(bias.sizes(), Tag::a), engine, bias.data_ptr())},
                            {DNNL_ARG_SCRATCHPAD, memory(plan.scratch, engine, scratch.data_ptr())},
                            {output_argument, memory(plan.output, engine, out.data_ptr())}});
    stream.wait();
    return out;
  }
};

PackedConvolution::PackedConvolution(const at::Tensor& weight, at::Tensor bias, int64_t stride,
                                     int64_t padding)
    : state_(std::make_unique<State>()) {
  state_->weight = weight.contiguous();
  state_->bias = std::move(bias);
  state_->strides = {stride, stride};
  state_->padding = {padding, padding};
}

PackedConvolution::~PackedConvolution() = default;

at::Tensor PackedConvolution::forward(const at::Tensor& x) {
  return state_->run(state_->forward_plan(x.sizes()), x, DNNL_ARG_SRC, DNNL_ARG_DST);
}

at::Tensor PackedConvolution::input_gradient(const at::Tensor& dy, at::IntArrayRef input_shape) {
  return state_->run(state_->backward_plan(input_shape), dy, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_SRC);
}

}  // namespace sdlora::model::kernels
