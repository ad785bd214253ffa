"""One training step from a single file, as a script with diffusers and PEFT does it: StableDiffusionPipeline.from_single_file, add_adapter,
forward, backward, AdamW, on random latents (nothing is encoded).

    peer_start.py --model FILE --config DIR --cells 32 [--threads 2]

--config: the same model as a directory; from_single_file takes the configs from it in place of the hub.
Prints one JSON line of moments, in seconds since 1970: loaded, first_step_done.
"""
import argparse
import json
import time

import diffusers
import torch
from peft import LoraConfig

from peer import TARGETS


def main():
    moments = {}
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--config", required=True)
    parser.add_argument("--cells", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    pipeline = diffusers.StableDiffusionPipeline.from_single_file(arguments.model, config=arguments.config, local_files_only=True,
                                                                 safety_checker=None)
    unet = pipeline.unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian", target_modules=TARGETS["attn"]))
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    moments["loaded"] = time.time()
    noise, text = torch.randn(1, 4, arguments.cells, arguments.cells), torch.randn(1, 77, unet.config.cross_attention_dim)
    prediction = unet(noise, torch.tensor([500]), text, return_dict=False)[0]
    torch.nn.functional.mse_loss(prediction, noise).backward()
    torch.nn.utils.clip_grad_norm_(trained, 1.0)
    optimizer.step()
    moments["first_step_done"] = time.time()
    print(json.dumps(moments))


if __name__ == "__main__":
    main()
