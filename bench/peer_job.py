"""diffusers' example training (examples/text_to_image/train_text_to_image_lora.py) on a folder of pictures: VAE and text encoder in every
step, rank 16, AdamW, batch 1. peer_job.py --model DIR --pictures DIR --pixels 256 --steps 100"""
import argparse
import json
import pathlib
import tempfile

import numpy
import torch
from diffusers import AutoencoderKL, DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

from peer import TARGETS


def examples(folder):
    """Pictures with their captions: a metadata.jsonl, or a NAME.txt beside each."""
    metadata = folder / "metadata.jsonl"
    if metadata.exists():
        return [(folder / line["file_name"], line["text"]) for line in map(json.loads, metadata.read_text().splitlines())]
    return [(file, file.with_suffix(".txt").read_text().strip()) for file in sorted(folder.glob("*.png"))]


def pixels_of(file, side):
    picture = Image.open(file).convert("RGB").resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(numpy.asarray(picture).copy()).permute(2, 0, 1).float() / 127.5 - 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", type=pathlib.Path, required=True)
    parser.add_argument("--pixels", type=int, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    load = {"pretrained_model_name_or_path": arguments.model}
    tokenizer = CLIPTokenizer.from_pretrained(**load, subfolder="tokenizer")
    text_encoder = CLIPTextModel.from_pretrained(**load, subfolder="text_encoder").requires_grad_(False)
    vae = AutoencoderKL.from_pretrained(**load, subfolder="vae").requires_grad_(False)
    unet = UNet2DConditionModel.from_pretrained(**load, subfolder="unet").requires_grad_(False)
    scheduler = DDPMScheduler.from_pretrained(**load, subfolder="scheduler")
    unet.add_adapter(LoraConfig(r=16, lora_alpha=16, init_lora_weights="gaussian", target_modules=TARGETS["attn"]))
    trained = [parameter for parameter in unet.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=1e-2)
    known = examples(arguments.pictures)
    unet.train()
    for step in range(arguments.steps):
        file, caption = known[step % len(known)]
        latents = vae.encode(pixels_of(file, arguments.pixels)[None]).latent_dist.sample() * vae.config.scaling_factor
        tokens = tokenizer(caption, max_length=tokenizer.model_max_length, padding="max_length", truncation=True, return_tensors="pt")
        noise = torch.randn_like(latents)
        timesteps = torch.randint(0, scheduler.config.num_train_timesteps, (1,))
        prediction = unet(scheduler.add_noise(latents, noise, timesteps), timesteps, text_encoder(tokens.input_ids)[0], return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(prediction.float(), noise.float(), reduction="mean")
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
    with tempfile.TemporaryDirectory() as folder:
        save_file(get_peft_model_state_dict(unet), f"{folder}/adapter.safetensors")


if __name__ == "__main__":
    main()
