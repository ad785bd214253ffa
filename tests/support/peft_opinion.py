"""What PEFT's own layers say where lora_modules.py has ones written by hand: predictions and gradients with the same A, B and magnitudes."""
import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import set_peft_model_state_dict


def unet_by_peft(model, modules, is_dora):
    """The model's UNet with PEFT's layers in place of `modules` (path: LoraModule), and their values."""
    of_unet = {path: module for path, module in modules.items() if not path.startswith("text_model.")}
    unet = UNet2DConditionModel.from_pretrained(model, subfolder="unet").requires_grad_(False)
    unet.add_adapter(LoraConfig(
        r=1, lora_alpha=1, use_dora=is_dora, target_modules=list(of_unet), rank_pattern={path: module.rank for path, module in of_unet.items()},
        alpha_pattern={path: module.alpha for path, module in of_unet.items()}))
    state = {}
    for path, module in of_unet.items():
        state |= {f"{path}.lora_A.weight": module.a.detach(), f"{path}.lora_B.weight": module.b.detach()}
        if is_dora:
            ones = [1] * (module.base.weight.dim() - 2)
            state[f"{path}.lora_magnitude_vector"] = module.magnitude.detach().view([1, -1, *ones] if ones else [-1])
    wrong = set_peft_model_state_dict(unet, state)
    assert not wrong.unexpected_keys, wrong.unexpected_keys
    return unet, of_unet


def compare_with_peft(model, unet, modules, inputs, is_dora):
    """Largest relative errors of the UNet's output, and of the gradients of a loss of it."""
    theirs, of_unet = unet_by_peft(model, modules, is_dora)
    predictions = [network(*inputs).sample for network in (unet, theirs)]
    probe = torch.randn(predictions[0].shape, generator=torch.Generator().manual_seed(1))
    for prediction in predictions:
        (prediction * probe).sum().backward()
    errors = {"prediction": relative_error(predictions[0].detach(), predictions[1].detach()), "gradient": 0.0}
    layers = dict(theirs.named_modules())
    for path, module in of_unet.items():
        layer = layers[path]
        pairs = [(module.a, layer.lora_A["default"].weight), (module.b, layer.lora_B["default"].weight)]
        if is_dora:
            pairs.append((module.magnitude, layer.lora_magnitude_vector["default"].weight))
        for ours, other in pairs:
            errors["gradient"] = max(errors["gradient"], relative_error(ours.grad.flatten(), other.grad.flatten()))
    return errors


def relative_error(one, other):
    return ((one - other).norm() / other.norm().clamp_min(1e-30)).item()
