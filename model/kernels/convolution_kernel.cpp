#include "model/kernels/convolution_kernel.h"

#include "model/kernels/packed_convolution.h"
#include "model/kernels/patch_convolution.h"
#include "model/kernels/pointwise_convolution.h"
#include "model/kernels/winograd_convolution.h"

namespace sdlora::model::kernels {

std::shared_ptr<ConvolutionKernel> make_convolution_kernel(const at::Tensor& weight, const at::Tensor& bias,
                                                           const ConvolutionPlace& place, bool by_onednn,
                                                           PreparedWeights* prepared) {
  constexpr int64_t kFewChannels = 16;  // transforming tiles costs more than it saves
  if (weight.size(2) == 3 && place.stride == 1 && place.padding == 1 && weight.size(0) >= kFewChannels &&
      weight.size(1) >= kFewChannels) {
    if (place.expected_cells > 0 && place.expected_cells <= kSmallMapCells)
      return std::make_shared<PatchConvolution>(weight, bias, prepared);
    auto kernel = std::make_shared<WinogradConvolution>(weight, bias, by_onednn);
    if (prepared != nullptr) prepared->add(kernel->transformed_weight());
    return kernel;
  }
  if (weight.size(2) == 1 && place.stride == 1 && place.padding == 0)
    return std::make_shared<PointwiseConvolution>(weight, bias, by_onednn);
  return std::make_shared<PackedConvolution>(weight, bias, place.stride, place.padding);
}

}  // namespace sdlora::model::kernels
