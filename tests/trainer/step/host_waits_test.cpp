// What a micro-batch computes must ask for no value of a tensor: on a GPU the host would wait for it, and a
// CUDA graph (micro_batch_graph.h) cannot be recorded. Seen on the CPU with ATen's kernels: in
// bf16 its path is the GPU's but for the kernels, in fp32 it takes LoRA's merged branch, which a GPU does
// not.
#include <cstdlib>
#include <set>

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>

#include "comm/fixed_point_ops.h"
#include "lora/adapter.h"
#include "model/model_source.h"
#include "tests/support/random_values.h"
#include "trainer/step/gradient_reducer.h"

namespace sdlora::trainer {
namespace {

// Which of the operations that read a value into the host are called while it lives, on any thread.
class Reads {
 public:
  Reads()
      : handle_(at::addGlobalCallback(at::RecordFunctionCallback(note).scopes({at::RecordScope::FUNCTION}))) {
    found().clear();
  }

  ~Reads() { at::removeCallback(handle_); }

  Reads(const Reads&) = delete;
  Reads& operator=(const Reads&) = delete;

  static std::set<std::string>& found() {
    static std::set<std::string> names;
    return names;
  }

 private:
  static std::unique_ptr<at::ObserverContext> note(const at::RecordFunction& function) {
    static const std::set<std::string> readers{"aten::item",       "aten::_local_scalar_dense",
                                               "aten::is_nonzero", "aten::nonzero",
                                               "aten::equal",      "aten::masked_select"};
    if (readers.contains(function.name())) found().insert(function.name());
    return nullptr;
  }

  at::CallbackHandle handle_;
};

TEST(HostWaits, AreNoticedByThisTest) {
  const Reads reads;
  at::ones({}).item<float>();
  EXPECT_THAT(Reads::found(), testing::Contains("aten::item"));
}

class HostWaitsOfAType : public testing::TestWithParam<at::ScalarType> {};

TEST_P(HostWaitsOfAType, AreNotInForwardLossBackwardAndSum) {
  const model::ModelDirectory directory(std::getenv("SDLORA_TINY_MODEL"));
  const model::ComputeMode mode =
      model::compute_mode_on(at::kCPU, GetParam(), model::kernels::CpuKernelWish::kAten);
  model::UNet unet = directory.load_unet(mode);
  const model::NoiseSchedule schedule = directory.load_noise_schedule();
  lora::Adapter adapter(unet, {.rank = 4, .alpha = 1, .targets = "attn-mlp"}, 7, at::kCPU);
  const at::Tensor latents = random_values({2, 4, 8, 8}, 1), noise = random_values({2, 4, 8, 8}, 2);
  const at::Tensor text_embeddings =
      random_values({2, 77, unet.config().levels.front().context_channels}, 3).to(mode.dtype);
  const at::Tensor timesteps = at::tensor({500, 20}, at::kLong);
  const auto exact = make_exact_reducer(adapter.parameter_count(), at::kCPU);
  const auto plain = make_plain_reducer(adapter.parameter_count(), at::kCPU);

  const Reads reads;
  adapter.round_parameters();
  const at::Tensor noisy = schedule.add_noise(latents, noise, timesteps);
  const at::Tensor prediction = unet.forward(noisy.to(mode.dtype), timesteps, text_embeddings);
  const at::Tensor loss = at::mse_loss(prediction.to(at::kFloat), schedule.target(latents, noise, timesteps));
  (loss * 1024).backward();
  adapter.gradients().mul_(1.0 / 1024);
  exact->add(adapter.gradients(), loss.detach());
  plain->add(adapter.gradients(), loss.detach());
  EXPECT_THAT(Reads::found(), testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Types, HostWaitsOfAType, testing::Values(at::kFloat, at::kBFloat16));

TEST(HostWaits, AreNotInTheExactSumOfADevice) {
  const at::Tensor terms = random_values({100}, 1);
  at::Tensor high = at::zeros({100}, at::kLong), low = at::zeros({100}, at::kLong),
             refused = at::zeros({}, at::kLong);
  const Reads reads;
  comm::fixed_point::add_terms(terms, high, low, refused);
  comm::fixed_point::round_sums(high, low);
  EXPECT_THAT(Reads::found(), testing::IsEmpty());
}

}  // namespace
}  // namespace sdlora::trainer
