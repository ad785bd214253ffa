"""Pictures to latents: cache_latents, and diffusers' VAE over the same pictures one by one, as most caching scripts do; in fp32 and bf16.

    bench/encode.py --pixels 512 --pictures 12

Full-size random model. Start-up of each program counts apart: both are run with half of the pictures and with all, and the difference is the
time of the other half. Writes the table to --record.
"""
import argparse
import pathlib
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "bench"), str(ROOT / "tests/support")]
import compare
import programs

PEER = """
import pathlib, sys, numpy, torch
from diffusers import AutoencoderKL
from PIL import Image
model, folder, count, side, threads = sys.argv[1], pathlib.Path(sys.argv[2]), *map(int, sys.argv[3:6])
dtype = getattr(torch, sys.argv[6])
torch.set_num_threads(threads)
vae = AutoencoderKL.from_pretrained(model, subfolder="vae", torch_dtype=dtype)
with torch.no_grad():
    for file in sorted(folder.glob("*.png"))[:count]:
        picture = Image.open(file).convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
        pixels = torch.from_numpy(numpy.asarray(picture).copy()).permute(2, 0, 1)[None].float() / 127.5 - 1
        vae.encode(pixels.to(dtype)).latent_dist.mean
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--pictures", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench")
    parser.add_argument("--record", type=pathlib.Path, default=ROOT / "bench/results/encode.md")
    case = parser.parse_args()
    model = compare.full_size_model()
    folders = {count: compare.drawn_pictures(case.work, count) for count in (case.pictures // 2, case.pictures)}

    def ours(precision):
        return lambda count: [programs.BUILD / "bin/cache_latents", "--model", model, "--images", folders[count], "--output",
                              compare.fresh(case.work / "encode-cache"), "--img-size", case.pixels, "--mixed-precision", precision]

    def theirs(dtype):
        return lambda count: [sys.executable, "-c", PEER, model, folders[count], count, case.pixels, case.threads, dtype]

    rows = [("diffusers' VAE, one by one, fp32", theirs("float32")), ("cache_latents, captions and hashes included", ours("no")),
            ("diffusers' VAE, one by one, bf16", theirs("bfloat16")), ("cache_latents --mixed-precision bf16", ours("bf16"))]
    text = (f"# Pictures of {case.pixels}² to latents\n\n- command: bench/encode.py --pixels {case.pixels} --pictures {case.pictures}\n"
            f"- date: {time.strftime('%Y-%m-%d')}\n- CPU: {compare.processor()}, {case.threads} threads\n\n"
            "| | s a picture | × | whole command, s |\n|---|---|---|---|\n")
    half, whole = sorted(folders)
    first = None
    for name, command_for in rows:
        compare.seconds_of(command_for(half))  # not counted: brings programs and weights into memory
        seconds = {count: compare.seconds_of(command_for(count)) for count in folders}
        each = (seconds[whole] - seconds[half]) / (whole - half)
        first = first or each
        text += f"| {name} | {each:.2f} | {first / each:.2f} | {seconds[whole]:.1f} for {whole} |\n"
        print(name, f"{each:.2f} s a picture", flush=True)
    case.record.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
