"""Counts the floating-point operations of one training step of one sample, forward and backward, with a frozen base model and LoRA
by PEFT: count_operations.py --model DIR --latents 64 --targets attn. Nothing is computed: the tensors have no storage."""
import argparse
import json
import pathlib

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peer import TARGETS
from torch.utils.flop_counter import FlopCounterMode

parser = argparse.ArgumentParser()
parser.add_argument("--model", type=pathlib.Path, required=True)
parser.add_argument("--latents", type=int, required=True)
parser.add_argument("--targets", choices=TARGETS, required=True)
arguments = parser.parse_args()
config = json.loads((arguments.model / "unet/config.json").read_text())
with torch.device("meta"):
    unet = UNet2DConditionModel.from_config(config).requires_grad_(False)
    unet.add_adapter(LoraConfig(r=16, target_modules=TARGETS[arguments.targets]))
    noisy = torch.randn(1, config["in_channels"], arguments.latents, arguments.latents)
    captions = torch.randn(1, 77, config["cross_attention_dim"])
    with FlopCounterMode(display=False) as counter:
        unet(noisy, torch.zeros(1, dtype=torch.int64), captions).sample.sum().backward()
print(counter.get_total_flops())
