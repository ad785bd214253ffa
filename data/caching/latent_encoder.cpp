#include "data/caching/latent_encoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

#include "data/images/vae_pixels.h"

namespace sdlora::data {

LatentEncoder::LatentEncoder(model::ModelSource model, at::Device device, at::ScalarType dtype, bool flip)
    : model_(std::move(model)), device_(device), dtype_(dtype), flip_(flip) {
  if (!device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
}

at::Tensor LatentEncoder::encode(const std::string& rgb, const PictureSize& size) {
  const c10::InferenceMode no_gradients;
  std::call_once(is_loaded_, [&] { vae_ = model_.load_vae(model::compute_mode_on(device_, dtype_)); });
  const at::Tensor bytes = at::from_blob(const_cast<char*>(rgb.data()), {size.height, size.width, 3},
                                         at::TensorOptions(at::kByte));
  const at::Tensor pixels = vae_pixels(bytes.to(device_)).unsqueeze(0).to(dtype_);  // [1, 3, H, W]
  std::vector<at::Tensor> planes;
  const auto add_planes = [&](const at::Tensor& picture) {
    const model::Posterior posterior = vae_->encode(picture);
    planes.push_back(posterior.mean[0].cpu());
    planes.push_back(posterior.std[0].cpu());
  };
  add_planes(pixels);
  if (flip_) add_planes(pixels.flip({3}).contiguous());
  return at::stack(planes);
}

}  // namespace sdlora::data
