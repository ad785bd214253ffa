"""What it costs to train other things than attention: a step with each choice of layers and dropouts, ours and diffusers + PEFT's (of
convolutions LyCORIS's, too).

    bench/choices.py --latents 32 --rounds 2                 about 22 minutes on 2 cores
    bench/choices.py --rows full,text-encoder --precision bf16

As bench/compare.py: the same full-size random model, pictures, seeds and settings; a first run of ours records its inputs, and the peer must
find its losses and gradient norms (not where both drop out parts, by draws of their own); then all take turns, each in a fresh process. The
peer is tuned (channels last, fused AdamW, tcmalloc). Writes bench/results/choices-LATENTS.md."""
import argparse
import os
import pathlib
import statistics
import sys
import time
import types

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import compare
import programs

# name: what is trained, our flags, the peer's, what to know
CHOICES = {
    "attn": ("attn", [], [], ""),
    "attn-mlp": ("attn-mlp", [], [], ""),
    "full": ("full", [], [], "convolutions by PEFT's own LoRA of them"),
    "full-lycoris": ("full", [], ["--lycoris", "rebuild"], "LyCORIS's LoCon as it is by default: it makes the change of each weight"),
    "full-lycoris-bypass": ("full", [], ["--lycoris", "bypass"], "LyCORIS's LoCon, two small layers beside each frozen one"),
    "text-encoder": ("full", ["--train-text-encoder"], ["--train-text-encoder"], "full and the text encoder"),
    "dora": ("attn-mlp", ["--lora-kind", "dora"], ["--dora"], ""),
    "full-dora": ("full", ["--lora-kind", "dora"], ["--dora"], ""),
    "dropout": ("attn-mlp", ["--lora-dropout", "0.1", "--lora-rank-dropout", "0.1", "--lora-module-dropout", "0.1"], ["--dropout", "0.1"],
                "ours three dropouts of kohya's, PEFT's one, of the input"),
    "checkpointing": ("attn-mlp", ["--gradient-checkpointing"], ["--checkpointing"],
                      "ours of transformer blocks, diffusers' of residual blocks, too"),
}


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--rows", default=",".join(CHOICES))
    parser.add_argument("--precision", choices=["no", "bf16"], default="no")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--warmup", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    return parser.parse_args()


def rows_of(options, name):
    """The case that compare.py's functions take, ours, and the peer's."""
    targets, flags, peer_flags, _ = CHOICES[name]
    case = types.SimpleNamespace(**vars(options) | {"targets": targets, "batch": 1, "device": "cpu", "peer_environments": None,
                                                    "work": options.work / f"choice-{name}"})
    case.work.mkdir(parents=True, exist_ok=True)
    return (case, compare.Row(f"sdlora {name}", kernels="auto", flags=flags, precision=options.precision),
            compare.tuned_peer(f"peer {name}", *peer_flags, precision=options.precision))


def prove(case, ours, peer, model, cache):
    """Returns the trace of two steps, whose losses and norms the peer finds, too."""
    trace = compare.fresh(case.work / "trace")
    mine = compare.our_losses_and_norms(case, model, cache, ours, 2, "--trace-dir", trace)
    theirs = compare.run_peer(case, model, trace, peer, 2, 0)[0]
    for key, values in mine.items():
        worst = max(abs(a - b) / abs(a) for a, b in zip(values, theirs[key], strict=True))
        print(f"  {peer.name}: {key} within {worst:.1e}", flush=True)
        if "dropout" not in peer.name and worst > compare.TOLERANCES[case.precision]:
            sys.exit(f"{peer.name} does other work than ours: {values}, {theirs[key]}")
    return trace


def table_row(name, ours, peer):
    mine, theirs = statistics.median(ours.step_seconds), statistics.median(peer.step_seconds)
    return (f"| {name} | {mine:.2f} | {min(ours.step_seconds):.2f} … {max(ours.step_seconds):.2f} | {theirs:.2f} | "
            f"{min(peer.step_seconds):.2f} … {max(peer.step_seconds):.2f} | {theirs / mine:.2f} | {ours.peak_bytes / 2**30:.1f} GiB | "
            f"{peer.peak_bytes / 2**30:.1f} GiB | {CHOICES[name][3]} |")


def main():
    asked = options()
    model, cache = compare.make_inputs(types.SimpleNamespace(latents=asked.latents, batch=1, work=asked.work))
    rows = {name: rows_of(asked, name) for name in asked.rows.split(",")}
    traces = {name: prove(case, ours, peer, model, cache) for name, (case, ours, peer) in rows.items()}
    load_before = os.getloadavg()[0]
    for round_number in range(asked.rounds):
        for name, (case, *both) in rows.items():
            for row in both:
                seconds, peak_bytes, _ = compare.time_row(case, model, cache, traces[name], row)
                row.step_seconds += seconds
                row.peak_bytes = max(row.peak_bytes, peak_bytes)
                print(f"  round {round_number + 1}, {row.name}: {', '.join(f'{s:.2f}' for s in seconds)} s", flush=True)
    peers = {package: number for _, _, peer in rows.values() for package, number in peer.versions.items()}
    text = "\n".join([
        f"# What choices cost: a step at {8 * asked.latents}², batch 1, {'fp32' if asked.precision == 'no' else asked.precision}", "",
        f"- {time.strftime('%Y-%m-%d')}, {compare.processor()}, {asked.threads} threads, load average {load_before:.1f} before; "
        f"`bench/choices.py --latents {asked.latents} --rows {asked.rows} --precision {asked.precision} --rounds {asked.rounds}`",
        f"- the peer: diffusers + PEFT, channels last, fused AdamW, tcmalloc; {', '.join(f'{name} {number}' for name, number in peers.items())}", "",
        "| choice | ours, s | least … most | peer, s | least … most | x the peer | memory, ours | peer | |", "|---|---|---|---|---|---|---|---|---|",
        *(table_row(name, ours, peer) for name, (_, ours, peer) in rows.items())]) + "\n"
    (asked.results / f"choices-{asked.latents}{'' if asked.precision == 'no' else '-' + asked.precision}.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
