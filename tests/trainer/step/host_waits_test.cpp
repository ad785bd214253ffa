// What a micro-batch computes must ask for no value of a tensor: on a GPU the host would wait for it, and a
// CUDA graph (micro_batch_graph.h) cannot be recorded. Seen on the CPU with ATen's kernels: in
// bf16 its path is the GPU's but for the kernels, in fp32 it takes LoRA's merged branch, which a GPU does
// not.
#include <set>

#include <ATen/ATen.h>
#include <ATen/record_function.h>
#include <gmock/gmock.h>

#include "comm/fixed_point_ops.h"
#include "tests/support/random_values.h"
#include "tests/trainer/tiny_training.h"

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

TEST_P(HostWaitsOfAType, AreNotInWhatAStepComputesOfAMicroBatch) {
  for (const Reduction reduction : {Reduction::kExact, Reduction::kFp32}) {
    TinyTraining training({.dtype = GetParam(),
                           .cpu_kernels = model::kernels::CpuKernelWish::kAten,
                           .lora_targets = "attn-mlp",
                           .reduction = reduction,
                           .scales_loss = true});
    TrainingStep step = training.step();
    const MicroBatch batch = training.batches.make(0, 0, 2);
    const Reads reads;
    training.adapter.refresh();
    step.compute(batch);
    EXPECT_THAT(Reads::found(), testing::IsEmpty()) << static_cast<int>(reduction);
  }
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
