// Names and shapes of the tensors of a checkpoint file: which model it is, its structure, its canonical
// names. Lines "name 320 4 3 3"; the bytes of a real header would only cost the fuzzer time
// (safetensors_fuzz.cpp).
#include <cstdlib>
#include <sstream>

#include "model/clip/clip_text_config.h"
#include "model/clip/ldm_text_encoder.h"
#include "model/containers/checkpoint_names.h"
#include "model/containers/model_family.h"
#include "model/loading/canonical_names.h"
#include "model/unet/ldm_unet_names.h"
#include "model/unet/ldm_unet_structure.h"
#include "model/vae/ldm_vae.h"
#include "model/vae/vae_config.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

namespace {

model::StoredWeights weights_of(const std::string& text) {
  model::StoredWeights weights;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    model::StoredWeight weight{.file = nullptr, .name_in_file = name, .dtype = at::kFloat, .shape = {}};
    for (int64_t size = 0; weight.shape.size() < 6 && words >> size;)
      weight.shape.push_back(std::abs(size / 2));
    weights.emplace(name, weight);
  }
  return weights;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const model::StoredWeights weights =
      model::with_usual_prefixes(weights_of(std::string(fuzz::text_of(data, size))));
  fuzz::expect_orderly([&] { model::require_stable_diffusion(weights, "file"); });
  fuzz::expect_orderly([&] {
    const model::StoredWeights unet = model::part_of(weights, model::kUnetPrefix);
    const model::LdmUnetNames names(model::UNetConfig::read(model::config_of_ldm_unet(unet, "file")));
    for (const auto& [name, weight] : unet) (void)names.diffusers_name(name);
  });
  fuzz::expect_orderly([&] {
    const auto vae = model::canonical_ldm_vae(model::part_of(weights, model::kVaePrefix));
    (void)model::VaeConfig::read(model::config_of_vae(vae, "file"));
  });
  fuzz::expect_orderly([&] {
    const auto text = model::canonical_open_clip(model::part_of(weights, model::kOpenClipPrefix));
    (void)model::ClipTextConfig::read(
        model::config_of_text_encoder(text, model::ClipTraining::kOpenClip, "file"));
    const auto clip = model::canonical_text_encoder(model::part_of(weights, model::kClipPrefix));
    (void)model::ClipTextConfig::read(
        model::config_of_text_encoder(clip, model::ClipTraining::kOpenAi, "file"));
  });
  return 0;
}
