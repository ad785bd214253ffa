"""What PEFT's and LyCORIS's own layers say where lora_modules.py has ones written by hand: predictions, gradients and bounded norms with the
same A, B and magnitudes."""
import logging

import torch
from diffusers import UNet2DConditionModel
from peft import LoraConfig
from peft.utils import set_peft_model_state_dict

logging.getLogger("LyCORIS").setLevel(logging.ERROR)  # it has opinions on packages that it does without, too
from lycoris import LoConModule


def frozen_unet(model):
    return UNet2DConditionModel.from_pretrained(model, subfolder="unet").requires_grad_(False)


def unet_by_peft(model, modules, is_dora):
    """The model's UNet with PEFT's layers in place of `modules` (path: LoraModule), and its parameters in the order of values_of."""
    unet = frozen_unet(model)
    unet.add_adapter(LoraConfig(
        r=1, lora_alpha=1, use_dora=is_dora, target_modules=list(modules), rank_pattern={path: module.rank for path, module in modules.items()},
        alpha_pattern={path: module.alpha for path, module in modules.items()}))
    state = {}
    for path, module in modules.items():
        state |= {f"{path}.lora_A.weight": module.a.detach(), f"{path}.lora_B.weight": module.b.detach()}
        if is_dora:
            ones = [1] * (module.base.weight.dim() - 2)
            state[f"{path}.lora_magnitude_vector"] = module.magnitude.detach().view([1, -1, *ones] if ones else [-1])
    wrong = set_peft_model_state_dict(unet, state)
    assert not wrong.unexpected_keys, wrong.unexpected_keys
    kinds = ["lora_A", "lora_B", *(["lora_magnitude_vector"] if is_dora else [])]
    return unet, [getattr(unet.get_submodule(path), kind)["default"].weight for path in modules for kind in kinds]


def locon_of(module):
    """LyCORIS's layer of a LoraModule without a magnitude (the norm of its DoRA is not detached)."""
    layer = LoConModule("", module.base, lora_dim=module.rank, alpha=module.alpha)
    with torch.no_grad():
        layer.lora_down.weight.copy_(module.a.view_as(layer.lora_down.weight))
        layer.lora_up.weight.copy_(module.b.view_as(layer.lora_up.weight))
    return layer


def unet_by_lycoris(model, modules):
    unet, values = frozen_unet(model), []
    for path, module in modules.items():
        parent_path, _, leaf = path.rpartition(".")
        layer = locon_of(module)
        setattr(unet.get_submodule(parent_path), leaf, layer)
        values += [layer.lora_down.weight, layer.lora_up.weight]
    return unet, values


def values_of(modules):
    return [value for module in modules.values() for value in (module.a, module.b, module.magnitude) if value is not None]


def compare_with_others(model, unet, modules, inputs, is_dora):
    """Largest relative errors of the UNet's output, and of the gradients of a loss of it, by whose layers these are."""
    of_unet = {path: module for path, module in modules.items() if not path.startswith("text_model.")}
    others = {"PEFT": unet_by_peft(model, of_unet, is_dora)}
    if not is_dora:
        others["LyCORIS"] = unet_by_lycoris(model, of_unet)
    prediction, gradients = prediction_and_gradients(unet, values_of(of_unet), inputs)
    errors = {}
    for name, (network, values) in others.items():
        theirs, gradients_of_theirs = prediction_and_gradients(network, values, inputs)
        errors[f"{name}'s prediction"] = relative_error(prediction, theirs)
        errors[f"{name}'s gradient"] = max(relative_error(one.flatten(), other.flatten())
                                           for one, other in zip(gradients, gradients_of_theirs, strict=True))
    return errors


def prediction_and_gradients(unet, values, inputs):
    prediction = unet(*inputs).sample
    probe = torch.randn(prediction.shape, generator=torch.Generator().manual_seed(1))
    return prediction.detach(), torch.autograd.grad((prediction * probe).sum(), values)


def bounded_by_lycoris(module, largest):
    """(alpha / rank) B A once LyCORIS has bounded its norm."""
    layer = locon_of(module)
    layer.apply_max_norm(largest)
    return layer.get_diff_weight()[0].detach()


def relative_error(one, other):
    return ((one - other).norm() / other.norm().clamp_min(1e-30)).item()
