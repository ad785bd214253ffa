#include "trainer/run/startup_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>

#include "tests/trainer/played_world.h"
#include "tests/trainer/tiny_run.h"

namespace sdlora::trainer {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// A row of the table that a run of so many ranks begins with.
std::string row_of(const TinyRun& run, const std::string& name, int rank_count = 1, int64_t first_step = 0) {
  const StartupContext context{
      .rank_count = rank_count, .first_step = first_step, .device = at::kCPU, .hosts = "n01 (3 ranks)"};
  for (const monitoring::TableRow& row : startup_table(run.config, run.load(rank_count), context))
    if (row.name == name) return row.text;
  return "there is no row " + name;
}

TEST(StartupTable, SaysHowTheBatchIsCutAndHowLongTheRunIs) {
  const TinyRun run({"--batch-size", "12", "--micro-batch-size", "2", "--max-steps", "20",
                     "--validation-split", "0.4"});  // trains on 3 of 5
  EXPECT_EQ(row_of(run, "batch", 3, 5),
            "12 samples per step = 3 rank(s) × 2 micro-batch(es) of 2\n"
            "15 steps to do of 20 = 240 samples in all = 80.00 epochs");
}

TEST(StartupTable, SaysWhatTheModelPredictsAndWhoSaidSo) {
  EXPECT_EQ(
      row_of(TinyRun(), "noise"),
      "1000 timesteps, predicts epsilon (assumed: the scheduler file does not say), zero terminal SNR off "
      "(assumed: the scheduler file does not say)");
  EXPECT_EQ(
      row_of(TinyRun({"--prediction-type", "v_prediction", "--zero-terminal-snr", "on"}), "noise"),
      "1000 timesteps, predicts velocity (--prediction-type), zero terminal SNR on (--zero-terminal-snr)");
}

TEST(StartupTable, SaysWhatIsHeldOutAndWhatIsValidatedOn) {
  EXPECT_THAT(row_of(TinyRun(), "data"), EndsWith("/cache, 5 samples of 64² pixels"));
  EXPECT_THAT(row_of(TinyRun({"--validation-split", "0.4"}, {.flip = true}), "data"),
              EndsWith("10 samples of 64² pixels\n6 to train on, 4 held out"));
  EXPECT_THAT(row_of(TinyRun({"--validation-split", "0.4", "--validation-every", "7"}), "data"),
              EndsWith("\n3 to train on, 2 held out\n"
                       "validation on 2 samples at 4 timesteps each, every 7 steps"));
}

TEST(StartupTable, SaysWhatOfWhichNetworkIsTrained) {
  const TinyRun run({"--train-text-encoder", "--lora-targets", "full", "--lora-conv-rank", "2",
                     "--text-encoder-learning-rate", "1e-6", "--max-weight-norm", "1", "--lora-dropout",
                     "0.1"});
  EXPECT_THAT(row_of(run, "LoRA"), HasSubstr("of the UNet's and text encoder's"));
  EXPECT_THAT(row_of(run, "LoRA"), HasSubstr("; rank 2, alpha 1 in "));
  EXPECT_THAT(row_of(run, "LoRA"), EndsWith(" of them; dropout 0.1 of numbers"));
  EXPECT_THAT(row_of(run, "model"), EndsWith("\nits text encoder is trained, too"));
  EXPECT_THAT(row_of(run, "captions"), StartsWith("encoded in each step"));
  EXPECT_THAT(row_of(run, "optimiser"), HasSubstr("(text encoder 1e-06)"));
  EXPECT_THAT(row_of(run, "optimiser"), EndsWith("bounded to a norm of 1"));
  EXPECT_THAT(row_of(run, "memory"), HasSubstr(", text encoder "));
}

TEST(StartupTable, DoesNotMergeConvolutions) {
  const auto merged = [](const char* targets) {
    const std::string text = row_of(TinyRun({"--lora-targets", targets}), "memory");
    const size_t begin = text.find("weights with it ");
    return text.substr(begin, text.find(',', begin) - begin);
  };
  EXPECT_EQ(merged("^mid_block.*(attn1|conv1)"), merged("^mid_block.*attn1"));
}

TEST(StartupTable, SaysInWhichPrecisionItComputes) {
  EXPECT_EQ(row_of(TinyRun(), "precision"),
            "fp32 (frozen model), fp32 (adapter, gradients, optimiser); reduction exact");
  EXPECT_EQ(row_of(TinyRun({"--mixed-precision", "bf16", "--reduction", "fp32"}), "precision"),
            "bf16 (frozen model), fp32 (adapter, gradients, optimiser); reduction fp32");
}

TEST(StartupTable, CountsTheWeightsByTheirTypeAndMergesThemInFp32Alone) {
  const TinyRun fp32, bf16({"--mixed-precision", "bf16"});
  const double weights =
      static_cast<double>(fp32.load().model_source.parameter_count_of(model::ModelPart::kUnet));
  const auto frozen = [&](double bytes) {
    return fmt::format("frozen UNet {:.0f} MiB", weights * bytes / 1048576);
  };
  EXPECT_THAT(row_of(fp32, "memory"), StartsWith(frozen(4) + " (mapped"));
  EXPECT_THAT(row_of(fp32, "memory"), Not(HasSubstr("weights with it 0.0 MiB")));
  EXPECT_THAT(row_of(bf16, "memory"), StartsWith(frozen(2)));
  EXPECT_THAT(row_of(bf16, "memory"), Not(HasSubstr("(mapped")));
  EXPECT_THAT(row_of(bf16, "memory"), HasSubstr("weights with it 0.0 MiB"));
}

TEST(StartupTable, SaysWhetherTheGradientIsClipped) {
  EXPECT_EQ(row_of(TinyRun({"--max-grad-norm", "0.5", "--learning-rate", "3e-4"}), "optimiser"),
            "adamw, learning rate 0.0003 cosine after 50 warm-up steps, gradient norm clipped to 0.5");
  EXPECT_THAT(row_of(TinyRun({"--max-grad-norm", "0"}), "optimiser"),
              EndsWith(", gradient norm not clipped"));
}

TEST(StartupTable, SaysWhenItSaves) {
  EXPECT_THAT(row_of(TinyRun({"--checkpoint-every", "30"}), "output"),
              EndsWith("/run, a checkpoint every 30 steps"));
  EXPECT_THAT(row_of(TinyRun({"--checkpoint-every", "0"}), "output"),
              EndsWith("/run, a checkpoint at the end"));
}

TEST(StartupTable, SaysWhereTheRanksAre) {
  EXPECT_EQ(row_of(TinyRun(), "hosts", 2), "n01 (3 ranks)");
  EXPECT_THAT(row_of(TinyRun(), "devices", 2), StartsWith("2 rank(s) on cpu, "));
}

TEST(Hosts, AreNamedOnceInTheOrderOfTheirFirstRanksWithTheirThreads) {
  PlayedWorld world(0, 6);
  world.say_all = [](const std::string&) {
    return std::vector<std::string>{"n02\none", "n01\none", "n02\none", "n10\none", "n01\ntwo", "n02\none"};
  };
  EXPECT_EQ(describe_hosts(world), "n02 (3 ranks: one each), n01 (2 ranks: one; two), n10 (1 rank: one)");
}

}  // namespace
}  // namespace sdlora::trainer
