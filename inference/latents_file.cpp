#include "inference/latents_file.h"

#include <ATen/ATen.h>

#include "checkpoint/safetensors.h"
#include "common/error.h"

namespace sdlora::inference {

at::Tensor read_latents(const std::filesystem::path& file, const std::vector<int64_t>& shape) {
  const checkpoint::NamedTensors tensors = checkpoint::read_safetensors(file);
  const auto refuse = [&](const std::string& seen) {
    throw Error(ExitCode::kBadData, {.what = "the initial latents do not fit",
                                     .expected = "`latents` " + c10::str(at::IntArrayRef(shape)) +
                                                 " (pictures, channels, rows, columns), finite",
                                     .seen = seen,
                                     .where = file.string()});
  };
  const auto found = tensors.find("latents");
  if (found == tensors.end()) refuse("no tensor of that name");
  const at::Tensor& latents = found->second;
  if (latents.sizes() != at::IntArrayRef(shape) || !latents.is_floating_point())
    refuse(c10::str(latents.sizes(), " of ", latents.scalar_type()));
  if (!latents.isfinite().all().item<bool>()) refuse("values that are not finite");
  return latents.to(at::kFloat);
}

void write_latents(const std::filesystem::path& file, const at::Tensor& latents) {
  checkpoint::write_safetensors(file, {{"latents", latents}});
}

}  // namespace sdlora::inference
