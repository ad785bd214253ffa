#include "data/caching/latent_encoder.h"

#include <ATen/ATen.h>
#include <c10/core/InferenceMode.h>

namespace sdlora::data {

LatentEncoder::LatentEncoder(model::ModelDirectory model, at::Device device, bool flip)
    : model_(std::move(model)), device_(device), flip_(flip) {
  if (!device.is_cuda()) return;
  at::globalContext().setAllowTF32CuBLAS(false);
  at::globalContext().setAllowTF32CuDNN(false);
  at::globalContext().setBenchmarkCuDNN(false);
  at::globalContext().setDeterministicCuDNN(true);
}

at::Tensor LatentEncoder::encode(const std::string& rgb, int64_t side_pixels) {
  const c10::InferenceMode no_gradients;
  std::call_once(is_loaded_, [&] { vae_ = model_.load_vae(model::compute_mode_on(device_, at::kFloat)); });
  const at::Tensor bytes = at::from_blob(const_cast<char*>(rgb.data()), {1, side_pixels, side_pixels, 3},
                                         at::TensorOptions(at::kByte));
  const at::Tensor pixels = bytes.to(device_)
                                .permute({0, 3, 1, 2})
                                .to(at::kFloat)
                                .div(255.0)
                                .mul(2.0)
                                .sub(1.0)
                                .contiguous();  // [1, 3, H, W]
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
