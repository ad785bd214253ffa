"""Compares the samplers with diffusers' schedulers over a model that is one line of arithmetic: which timesteps are asked, and
where a run ends, for every step count, spacing and prediction type, text-to-image and image-to-image. And the noise schedule of
every scheduler file with that of diffusers' DDPMScheduler.

    sampler_parity.py build/tests/sampler_probe
"""
import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))
from model_sizes import SD15_SCHEDULER  # noqa: E402

import diffusers  # noqa: E402

diffusers.logging.set_verbosity_error()
TOLERANCE = 2e-5
ALPHA_TOLERANCE = 1e-6
SCHEDULERS = {
    "dpmpp_2m": diffusers.DPMSolverMultistepScheduler,
    "ddim": diffusers.DDIMScheduler,
    "euler_a": diffusers.EulerAncestralDiscreteScheduler,
}
STEPS = [*range(1, 52), 63, 77, 99, 100, 125, 150, 200, 250, 333]
MANY_STEPS = [499, 500, 501, 750, 998, 999, 1000]  # where tables leave the schedule

# What scheduler files say beyond Stable Diffusion 1.5's, and the samplers that heed it.
CONFIGS = {
    "sd15": {},
    "linspace": {"timestep_spacing": "linspace"},
    "leading": {"timestep_spacing": "leading"},
    "trailing": {"timestep_spacing": "trailing"},
    "leading, offset 0": {"timestep_spacing": "leading", "steps_offset": 0},
    "v": {"prediction_type": "v_prediction"},
    "v, trailing": {"prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    "alpha to one, clipped": {"set_alpha_to_one": True, "clip_sample": True, "clip_sample_range": 1.5},
    "nothing but betas": None,
    "heun": {"solver_type": "heun"},
    "UniPC's": {"_class_name": "UniPCMultistepScheduler", "solver_type": "bh2", "solver_order": 2},
    "sigma_min": {"final_sigmas_type": "sigma_min"},
    "sigma_min, few-step order kept": {"final_sigmas_type": "sigma_min", "lower_order_final": False},
    "euler at final": {"final_sigmas_type": "sigma_min", "euler_at_final": True, "lower_order_final": False},
    "karras by file": {"use_karras_sigmas": True},
    "zero SNR": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
    "zero SNR, trailing": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"},
    "zero SNR, linspace": {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "linspace"},
    "cosine": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction"},
    "cosine, zero SNR": {"beta_schedule": "squaredcos_cap_v2", "prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
    "trained betas": {"trained_betas": [0.0005 + 0.012 * (i / 999) ** 1.5 for i in range(1000)]},
    "DDPM's": {"_class_name": "DDPMScheduler", "variance_type": "fixed_small"},
    "as DPM-Solver is saved": {"lambda_min_clipped": -math.inf},
    "lambda clipped, cosine": {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1, "timestep_spacing": "linspace"},
    "lambda clipped, leading": {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1, "timestep_spacing": "leading"},
    "lambda clipped, trailing": {"beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1, "timestep_spacing": "trailing"},
    "karras by file, cosine": {"use_karras_sigmas": True, "beta_schedule": "squaredcos_cap_v2", "lambda_min_clipped": -5.1},
}
ONLY_DPM = {"heun", "UniPC's", "sigma_min", "sigma_min, few-step order kept", "euler at final", "karras by file",
            "lambda clipped, cosine", "lambda clipped, leading", "lambda clipped, trailing", "karras by file, cosine"}  # fmt: skip
# There x begins 4,096 to 20,000 times as large as it ends, and after few of Euler's steps diffusers itself is 1e-4 from the exact end.
BEGINS_FAR_AWAY = {"zero SNR", "zero SNR, trailing", "zero SNR, linspace", "cosine", "cosine, zero SNR"}
FEW_STEPS = 25


def config_of(changes):
    if changes is None:
        return {k: SD15_SCHEDULER[k] for k in ("_class_name", "beta_start", "beta_end", "beta_schedule")}
    return {**SD15_SCHEDULER, **changes}


def reference(case, config):
    """The timesteps and the end of diffusers' run, or None where its table leaves the schedule or visits a timestep twice (which
    Karras's levels may, and others only when more steps are asked than there are timesteps)."""
    scheduler = SCHEDULERS[case["sampler"]].from_config(config, **({"use_karras_sigmas": True} if case["karras"] else {}))
    generator = torch.Generator().manual_seed(7)
    noise = torch.randn(1, 4, 3, 5, generator=generator)
    scheduler.set_timesteps(case["steps"])
    timesteps = scheduler.timesteps
    if timesteps.min() < 0 or timesteps.max() > 999:
        return None
    if not scheduler.config.get("use_karras_sigmas") and len(timesteps.unique()) < len(timesteps):
        return None
    if case["first_step"] < 0:
        x = noise * scheduler.init_noise_sigma
        if scheduler.config.get("use_karras_sigmas"):  # else it begins at the second where the first timestep comes twice
            scheduler.set_begin_index(0)
    else:
        timesteps = timesteps[case["first_step"] :]
        if hasattr(scheduler, "set_begin_index"):
            scheduler.set_begin_index(case["first_step"])
        x = scheduler.add_noise(torch.linspace(-2, 2, 60).view(1, 4, 3, 5), noise, timesteps[:1])
    for t in timesteps:
        prediction = torch.sin(scheduler.scale_model_input(x, t) + float(t) * 0.003)
        options = {"generator": generator} if case["sampler"] == "euler_a" else {}
        x = scheduler.step(prediction, t, x, **options).prev_sample
    return timesteps.double(), x


def make_cases(folder):
    for title, changes in CONFIGS.items():
        config = config_of(changes)
        file = folder / f"{len(list(folder.iterdir()))}.json"
        file.write_text(json.dumps(config))
        for sampler in SCHEDULERS:
            if sampler != "dpmpp_2m" and title in ONLY_DPM:
                continue
            for karras in [False, True] if sampler == "dpmpp_2m" and title in ("sd15", "v", "sigma_min", "zero SNR", "cosine") else [False]:
                has_karras = karras or title.startswith("karras by file")
                for steps in STEPS + ([] if has_karras or title not in ("sd15", "trailing", "linspace") else MANY_STEPS):
                    if sampler == "euler_a" and title in BEGINS_FAR_AWAY and steps < FEW_STEPS:
                        continue
                    for first_step in {-1, steps - int(steps * 0.65)} - {steps}:
                        yield title, config, {"config": str(file), "sampler": sampler, "steps": steps, "karras": karras,
                                              "first_step": first_step}  # fmt: skip


def expected_of(case, config):
    try:
        return reference(case, config)
    except (ValueError, IndexError, RuntimeError):  # diffusers' own ways of refusing a step count
        return None


def compare_schedules(cases, seen, problems):
    """ᾱ of each file; where diffusers' is 0, ours must be."""
    worst = 0.0
    for title, config, case in {case["config"]: (title, config, case) for title, config, case in cases}.values():
        expected = diffusers.DDPMScheduler.from_config(config).alphas_cumprod.double()
        ours = seen[f"{Path(case['config']).name}.alphas_cumprod"].double()
        error = ((ours - expected).abs() / expected.clamp(min=1e-12)).max().item() if ours.shape == expected.shape else math.inf
        worst = max(worst, error)
        print(f"  alphas_cumprod of {title:32} max |diff| {(ours - expected).abs().max():.2e}  relative {error:.2e}")
        if not error <= ALPHA_TOLERANCE:
            problems.append(f"alphas_cumprod of {title}: relative error {error:.2e}")
    print(f"noise schedules: worst relative error {worst:.2e}, allowed {ALPHA_TOLERANCE:.0e}")


def main():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cases = list(make_cases(folder))
        lines, outputs = folder / "cases.jsonl", folder / "outputs.safetensors"
        lines.write_text("".join(json.dumps(case) + "\n" for _, _, case in cases))
        subprocess.run([sys.argv[1], lines, outputs], check=True)
        seen = load_file(outputs)
    rows, problems = {}, []
    for i, (title, config, case) in enumerate(cases):
        expected = expected_of(case, config)
        row = rows.setdefault((case["sampler"], title + (", karras" if case["karras"] else "")), [0, 0, 0.0])
        if expected is None or f"{i}.x" not in seen:
            row[1] += 1
            if (expected is None) != (f"{i}.x" not in seen):
                problems.append(f"{case}: only {'diffusers' if expected is None else 'ours'} refuses")
            continue
        timesteps, x = expected
        if timesteps.tolist() != seen[f"{i}.timesteps"].tolist():
            problems.append(f"{case}: timesteps {seen[f'{i}.timesteps'].tolist()[:5]} …, not {timesteps.tolist()[:5]} …")
            continue
        error = ((seen[f"{i}.x"] - x).norm() / x.norm()).item()
        row[0], row[2] = row[0] + 1, max(row[2], error)
        if not error <= TOLERANCE:
            problems.append(f"{case}: relative error {error:.2e}")
    compare_schedules(cases, seen, problems)
    for (sampler, title), (count, refused, worst) in rows.items():
        print(f"  {sampler:9} {title:32} {count:3} runs, {refused} refused by both, worst relative error {worst:.2e}")
    print("\n".join(problems[:30]))
    print(f"{len(cases)} runs, {len(problems)} problems, allowed relative error {TOLERANCE:.0e}")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
