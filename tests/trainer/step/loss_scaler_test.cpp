#include "trainer/step/loss_scaler.h"

#include <gtest/gtest.h>

namespace sdlora::trainer {
namespace {

TEST(LossScaler, LeavesTheLossAloneWhenDisabled) {
  LossScaler scaler(/*is_enabled=*/false);
  scaler.update(/*step_was_finite=*/false);
  EXPECT_EQ(scaler.scale(), 1);
  EXPECT_FALSE(scaler.can_be_lowered());
}

TEST(LossScaler, HalvesAfterAnOverflowAndNeverFallsBelowOne) {
  LossScaler scaler(/*is_enabled=*/true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.update(/*step_was_finite=*/false);
  EXPECT_EQ(scaler.scale(), 32768);
  for (int i = 0; i < 40; ++i) scaler.update(/*step_was_finite=*/false);
  EXPECT_EQ(scaler.scale(), 1);
  EXPECT_FALSE(scaler.can_be_lowered());
}

TEST(LossScaler, DoublesAfter2000FiniteStepsInARow) {
  LossScaler scaler(/*is_enabled=*/true);
  for (int i = 0; i < 1999; ++i) scaler.update(/*step_was_finite=*/true);
  EXPECT_EQ(scaler.scale(), 65536);
  scaler.update(/*step_was_finite=*/true);
  EXPECT_EQ(scaler.scale(), 131072);
}

TEST(LossScaler, GoesOnFromItsSavedState) {
  LossScaler scaler(/*is_enabled=*/true);
  scaler.load({.scale = 8, .steps_since_change = 1999});
  scaler.update(/*step_was_finite=*/true);
  EXPECT_EQ(scaler.scale(), 16);
}

}  // namespace
}  // namespace sdlora::trainer
