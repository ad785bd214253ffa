"""One peer's training steps: diffusers' UNet with a LoRA adapter by PEFT, as diffusers' example script
(examples/text_to_image/train_text_to_image_lora.py) trains it, on inputs that `trainer --trace-dir` recorded.

    peer.py --model DIR --trace DIR --targets attn --steps 5 --warmup 1 [--channels-last] [--fused] [--bf16] [--device cuda]
            [--compile | --compile-graph | --ipex] [--train-text-encoder] [--dora | --lycoris rebuild | --lycoris bypass] [--dropout 0.1]
            [--checkpointing]

Prints one JSON line: when the first step began (seconds since 1970), step_seconds, losses, grad_norms (before clipping), versions.
"""
import argparse
import importlib.metadata
import json
import pathlib
import time

import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from peft import LoraConfig
from safetensors.torch import load_file
from transformers import CLIPTextModel

TARGETS = {
    "attn": ["to_k", "to_q", "to_v", "to_out.0"],
    "attn-mlp": ["to_k", "to_q", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"],
}
TARGETS["full"] = [*TARGETS["attn-mlp"], "conv1", "conv2", "time_emb_proj", "conv_shortcut", "downsamplers.0.conv", "upsamplers.0.conv"]
TEXT_TARGETS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"]


def arguments_of_the_command_line():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--trace", type=pathlib.Path, required=True)
    parser.add_argument("--targets", choices=TARGETS, default="attn")
    parser.add_argument("--steps", type=int, required=True, help="timed steps")
    parser.add_argument("--warmup", type=int, default=1, help="steps before them")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--fused", action="store_true", help="AdamW's fused update")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--compile-graph", action="store_true", help="torch.compile with CUDA graphs")
    parser.add_argument("--ipex", action="store_true", help="model and optimizer through ipex.optimize of Intel's extension")
    parser.add_argument("--bf16", action="store_true", help="frozen weights in bfloat16, under autocast; the adapter in fp32")
    parser.add_argument("--train-text-encoder", action="store_true", help="its LoRA, too; captions go through it in every step")
    parser.add_argument("--dora", action="store_true")
    parser.add_argument("--lycoris", choices=["rebuild", "bypass"],
                        help="LyCORIS's layers in the UNet: its default, which makes the change of the weight, or the two small layers beside it")
    parser.add_argument("--dropout", type=float, default=0, help="PEFT's, of the input of A")
    parser.add_argument("--checkpointing", action="store_true", help="gradient checkpointing")
    return parser.parse_args()


def with_adapter(model, targets, initial, arguments):
    """Gives `model` a LoRA with the values of ours; returns what of it is trained, by name."""
    model.add_adapter(LoraConfig(r=16, lora_alpha=1, init_lora_weights="gaussian", target_modules=targets, lora_dropout=arguments.dropout,
                                 use_dora=arguments.dora))
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    names = {f"{ours}.default.weight": ours for ours in initial}
    assert set(trained) == set(names), "the peer trains other modules than we do"
    model.load_state_dict({theirs: initial[ours].view(trained[theirs].shape) for theirs, ours in names.items()}, strict=False)
    return trained


def with_lycoris(unet, initial, arguments):
    """As with_adapter, of what `initial` names."""
    from lycoris import LoConModule
    trained = {}
    for path in (name.removesuffix(".lora_A") for name in initial if name.endswith(".lora_A")):
        parent_path, _, leaf = path.rpartition(".")
        parent = unet.get_submodule(parent_path)
        layer = LoConModule("", getattr(parent, leaf), lora_dim=16, alpha=1, dropout=arguments.dropout,
                            bypass_mode=arguments.lycoris == "bypass")
        for name, parameter in (("lora_A", layer.lora_down.weight), ("lora_B", layer.lora_up.weight)):
            parameter.data = initial[f"{path}.{name}"].view(parameter.shape).clone()
            trained[f"{path}.{name}"] = parameter
        setattr(parent, leaf, layer)
    return trained


def text_encoder_of(arguments):
    """With LoRA, and what of it is trained; nothing without --train-text-encoder."""
    if not arguments.train_text_encoder:
        return None, []
    text_encoder = CLIPTextModel.from_pretrained(arguments.model, subfolder="text_encoder").requires_grad_(False)
    prefix = "text_model." if not hasattr(text_encoder, "text_model") else ""  # which transformers 5 has no more
    initial = {name.removeprefix(prefix): tensor for name, tensor in load_file(arguments.trace / "adapter-init.safetensors").items()
               if name.startswith("text_model.")}
    trained = with_adapter(text_encoder, TEXT_TARGETS, initial, arguments)
    text_encoder.train()
    if arguments.checkpointing:
        text_encoder.gradient_checkpointing_enable()
    return text_encoder, list(trained.values())


def build(arguments):
    unet = UNet2DConditionModel.from_pretrained(arguments.model, subfolder="unet").requires_grad_(False)
    initial = {name: tensor for name, tensor in load_file(arguments.trace / "adapter-init.safetensors").items()
               if not name.startswith("text_model.")}
    trained = (with_lycoris(unet, initial, arguments) if arguments.lycoris else
               with_adapter(unet, TARGETS[arguments.targets], initial, arguments))
    if arguments.checkpointing:
        unet.enable_gradient_checkpointing()
    if arguments.bf16 and not arguments.ipex:  # as the script does with --mixed_precision bf16
        unet = unet.to(torch.bfloat16)
        for parameter in trained.values():
            parameter.data = parameter.data.float()
    unet = unet.to(arguments.device)
    if arguments.channels_last:
        unet = unet.to(memory_format=torch.channels_last)
        torch.backends.cudnn.benchmark = True
        if arguments.dora:  # of a convolution PEFT's takes a view that A in channels last does not have
            for parameter in trained.values():
                parameter.data = parameter.data.contiguous()
    return unet, trained


def optimized_by_ipex(unet, optimizer, is_bf16):
    """As Intel documents it for training; with bf16 it casts the adapter, too, and keeps master weights of it in fp32."""
    import intel_extension_for_pytorch as ipex
    return ipex.optimize(unet, optimizer=optimizer, dtype=torch.bfloat16 if is_bf16 else None, auto_kernel_selection=True, inplace=True)


def versions(arguments):
    others = ["intel-extension-for-pytorch"] if arguments.ipex else ["lycoris-lora"] if arguments.lycoris else []
    return {package: importlib.metadata.version(package) for package in ("torch", "diffusers", "peft", *others)}


def batches(arguments):
    for step in range(arguments.warmup + arguments.steps):
        samples = [load_file(arguments.trace / f"step-{step % 2 + 1:06}.sample-{slot:06}.safetensors")
                   for slot in range(arguments.batch)]
        yield {name: torch.stack([sample[name] for sample in samples]).to(arguments.device)
               for name in ("latents", "noise", "timestep", "input_ids" if arguments.train_text_encoder else "encoder_hidden_states")}


def main():
    arguments = arguments_of_the_command_line()
    torch.set_num_threads(arguments.threads)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False  # as ours
    unet, trained = build(arguments)
    text_encoder, of_text = text_encoder_of(arguments)
    scheduler = DDPMScheduler.from_pretrained(arguments.model, subfolder="scheduler")
    optimizer = torch.optim.AdamW([*trained.values(), *of_text], lr=arguments.learning_rate, weight_decay=1e-2,
                                  **({"fused": True} if arguments.fused else {}))
    unet.train()
    if arguments.ipex:
        unet, optimizer = optimized_by_ipex(unet, optimizer, arguments.bf16)
    parameters = [*(parameter for parameter in unet.parameters() if parameter.requires_grad), *of_text]  # Intel's extension puts others in their place
    model, data_type = unet, torch.bfloat16 if arguments.bf16 else torch.float32
    if arguments.compile or arguments.compile_graph:
        model = torch.compile(unet, mode="reduce-overhead" if arguments.compile_graph else "default")
    seconds, losses, norms = [], [], []
    first_step_at = time.time()
    for batch in batches(arguments):
        start = time.perf_counter()
        noisy = scheduler.add_noise(batch["latents"], batch["noise"], batch["timestep"])
        with torch.autocast(arguments.device, torch.bfloat16, enabled=arguments.bf16):
            text = text_encoder(batch["input_ids"]).last_hidden_state if text_encoder else batch["encoder_hidden_states"]
            prediction = model(noisy.to(data_type), batch["timestep"], text.to(data_type), return_dict=False)[0]
        loss = torch.nn.functional.mse_loss(prediction.float(), batch["noise"].float(), reduction="mean")
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(parameters, 1.0).detach().clone())
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.detach().clone())
        if arguments.device == "cuda":
            torch.cuda.synchronize()  # once per step, when all of it has been queued
        seconds.append(time.perf_counter() - start)
    print(json.dumps({"first_step_at": first_step_at, "step_seconds": seconds[arguments.warmup:],
                      "losses": [loss.item() for loss in losses], "grad_norms": [norm.item() for norm in norms],
                      "versions": versions(arguments)}))


if __name__ == "__main__":
    main()
