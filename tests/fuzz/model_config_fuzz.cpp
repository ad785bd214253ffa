// config.json of each part of a model.
#include <ATen/ATen.h>

#include "model/clip/clip_text_config.h"
#include "model/noise/noise_schedule.h"
#include "model/unet/unet_config.h"
#include "model/vae/vae_config.h"
#include "tests/fuzz/fuzz_file.h"
#include "tests/fuzz/fuzz_verdict.h"

using namespace sdlora;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::filesystem::path file = fuzz::write_file("config.json", fuzz::text_of(data, size));
  fuzz::expect_orderly([&] {
    const model::ModelConfig config(file);
    fuzz::expect_orderly([&] { (void)model::NoiseSchedule(config).timestep_count(); });
    fuzz::expect_orderly([&] { (void)model::UNetConfig::read(config).time_channels(); });
    fuzz::expect_orderly([&] { (void)model::VaeConfig::read(config).downscale(); });
    fuzz::expect_orderly([&] { (void)model::ClipTextConfig::read(config); });
  });
  return 0;
}
