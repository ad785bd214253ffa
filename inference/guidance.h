// Classifier-free guidance (Ho and Salimans 2022, eq. 6, in the form of diffusers' pipelines):
//
//   prediction = negative + scale (caption - negative)
//
// with both predictions from one forward over [negative, caption]. A model that was distilled with guidance
// (LCM) takes the scale as an input instead, and no negative prompt.
#pragma once

#include "model/loading/compute_mode.h"
#include "model/samplers/sampler.h"
#include "model/unet/unet.h"

namespace sdlora::inference {

// The prompts of a batch. [B, L, C] f32 each
struct PromptEmbeddings {
  at::Tensor text_embeddings;
  at::Tensor negatives;  // not used without guidance
};

// A scale of 1 or less means no guidance: the text embeddings alone. x and prediction are fp32; `mode`:
// how the UNet computes. `unet` must outlive the denoiser.
model::Sampler::Denoiser guided_denoiser(const model::UNet& unet, const model::ComputeMode& mode,
                                         const PromptEmbeddings& prompts, double guidance_scale);

}  // namespace sdlora::inference
