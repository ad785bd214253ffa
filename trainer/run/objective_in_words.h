// What is minimised, with which noise and how, for the table at the start of a run.
#pragma once

#include <string>

#include "data/dataset.h"
#include "model/noise/noise_schedule.h"
#include "trainer/options/loss_options.h"
#include "trainer/options/noise_options.h"
#include "trainer/options/optimizer_options.h"
#include "trainer/options/schedule_options.h"
#include "trainer/options/timestep_options.h"

namespace sdlora::trainer {

// "pseudo-Huber loss, c from 1 to 0.1 (snr), min-SNR 5"
std::string loss_in_words(const LossOptions& loss, const data::Dataset& dataset);

// "1000 timesteps, predicts epsilon (scheduler file), …", and a line for each choice
std::string noise_in_words(const NoiseOptions& noise, const TimestepOptions& timesteps,
                           const model::NoiseSchedule& schedule);

// "adamw, learning rate 1e-05 cosine after 50 warm-up steps, gradient norm clipped to 1"
std::string optimizer_in_words(const OptimizerOptions& optimizer, const ScheduleOptions& schedule);

}  // namespace sdlora::trainer
