// The letters in the shape comments of model/, lora/, data/, inference/ and trainer/:
//
//   B  samples            L  tokens of a caption (77)        C  channels, or width of a token
//   H, W  pixels          h, w  latent cells (H/8, W/8)      N  tokens of an image, h·w
//   r  LoRA rank          T  steps of the noise schedule (1000)
#pragma once
