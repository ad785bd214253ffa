"""Trains 20 steps with --trace-dir, with each kind of adapter and each loss, noise and choice of timesteps, on 1 and 2 ranks, which must give
the same bytes, and replays them in PyTorch (replay.py)."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
from replay import replay

VELOCITY = {"prediction_type": "v_prediction", "zero_terminal_snr": "on"}
RUNS = {
    "targets attn": {"lora_targets": "attn"},
    "targets attn-mlp, noise offset": {"lora_targets": "attn-mlp", "noise_offset": 0.1},
    "l1, min-SNR 5": {"loss": "l1", "min_snr_gamma": 5, "seed": 2},  # whose least difference is 1e-4: a sign cannot be rounded away
    "huber by SNR, coarser noises, logit-normal timesteps": {
        "loss": "huber", "multires_noise_iterations": 6, "multires_noise_discount": 0.4, "noise_offset": 0.05,
        "timestep_sampling": "logit_normal", "timestep_bias": 0.2, "timestep_weight": -0.3},
    "smooth l1 exponential, debiased, input perturbation, timesteps 100 to 899": {
        "loss": "smooth_l1", "huber_schedule": "exponential", "huber_c": 0.2, "debiased_estimation": None, "ip_noise_gamma": 0.1,
        "min_timestep": 100, "max_timestep": 900},
    "huber constant, the velocity's loss added, cos-map timesteps": {
        "loss": "huber", "huber_schedule": "constant", "huber_c": 0.5, "v_pred_like_loss": 0.3, "timestep_sampling": "cos_map"},
    "velocity at zero terminal SNR, min-SNR 5, sigmoid timesteps": VELOCITY | {
        "min_snr_gamma": 5, "timestep_sampling": "sigmoid", "timestep_weight": 6, "timestep_bias": 0.2},
    "targets full, ranks of their own": {
        "lora_targets": "full", "lora_rank": 8, "lora_alpha": 4, "lora_conv_rank": 4, "lora_conv_alpha": 1,
        "lora_rank_pattern": "attn1=12:3", "rs_lora": None},
    "targets full, dropouts": {
        "lora_targets": "full", "lora_dropout": 0.2, "lora_rank_dropout": 0.1, "lora_module_dropout": 0.15, "seed": 3},
    "text encoder at half the rate, dropouts": {
        "train_text_encoder": None, "text_encoder_learning_rate": 5e-5, "learning_rate": 1e-4, "lora_dropout": 0.2,
        "lora_rank_dropout": 0.1, "lora_rank_pattern": "fc1=3:2"},
    "DoRA of all layers and the text encoder": {"lora_kind": "dora", "lora_targets": "full", "train_text_encoder": None, "lora_alpha": 16},
    "DoRA with dropouts": {"lora_kind": "dora", "lora_targets": "full", "lora_dropout": 0.2, "lora_rank_dropout": 0.1, "seed": 4},
    "norms bounded, B learning faster": {
        "lora_targets": "full", "lora_alpha": 16, "max_weight_norm": 0.05, "learning_rate": 1e-3, "lora_plus_ratio": 4},
    "velocity scaled as epsilon, debiased": VELOCITY | {"scale_v_pred_loss": None, "debiased_estimation": None},
}


with tempfile.TemporaryDirectory() as directory:
    for name, options in RUNS.items():
        runs = [pathlib.Path(directory) / f"{name}-{ranks}" for ranks in (1, 2)]
        print(f"{name}:", flush=True)
        for ranks, run in enumerate(runs, start=1):
            result = programs.train(run, ranks=ranks, max_steps=20, warmup_steps=3, trace_dir=run / "trace", **options)
            if result.exit_code != 0:
                sys.exit(result.output)
        if runs[0].joinpath("lora_weights.pt").read_bytes() != runs[1].joinpath("lora_weights.pt").read_bytes():
            sys.exit("2 ranks have other bytes than 1")
        replay(programs.TINY_MODEL, runs[1], runs[1] / "trace")
