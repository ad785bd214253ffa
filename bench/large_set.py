"""A large data set: memory, time, signals and kills of cache_latents and trainer, with 20,000 pictures and as many captions.

    bench/large_set.py                              about half an hour on 2 cores, 15 GB of disk in --work
    bench/large_set.py --pictures 2000 --results /tmp

The pictures are small (64 × 64) and so are VAE and UNet; the embeddings are as large as Stable Diffusion 1.5's (77 × 768, 231 KiB a
caption). Memory is the highest anonymous one of a process (RssAnon) and the highest resident one (VmHWM), from a quarter of the set and
from the whole of it. Then the same cache is made while SIGKILL, TERM or USR1 meets it in every stage: what is made in the end must have the
same bytes, and the table says what the next run did again.
"""
import argparse
import filecmp
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support")]
import programs

SIDE_PIXELS = 64
CAPTIONS_PER_PART = 256  # text_builder.cpp


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20000)
    parser.add_argument("--work", type=pathlib.Path, default=programs.BUILD / "bench/large-set")
    parser.add_argument("--results", type=pathlib.Path, default=ROOT / "bench/results")
    return parser.parse_args()


def draw_pictures(folder, count):
    folder.mkdir(parents=True)
    for number in range(count):
        noise = numpy.random.default_rng(number).integers(0, 256, (SIDE_PIXELS, SIDE_PIXELS, 3), numpy.uint8)
        Image.fromarray(noise).save(folder / f"{number:05d}.png")
        (folder / f"{number:05d}.txt").write_text(f"picture {number}, ink on paper, tag{number % 97}, a line of {number * 7} words")


class Watched:
    """A running program, its highest memory and its output."""

    def __init__(self, command, log):
        self.log, self.started_at = log, time.monotonic()
        with open(log, "w") as output:
            self.process = subprocess.Popen(command, env=programs.ENVIRONMENT, stdout=output, stderr=subprocess.STDOUT)
        self.anonymous = self.resident = 0

    def look(self):
        """Whether it still runs."""
        try:
            status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        except OSError:
            status = ""
        for name, old in (("RssAnon", "anonymous"), ("VmHWM", "resident")):
            if seen := re.search(rf"{name}:\s+(\d+) kB", status):
                setattr(self, old, max(getattr(self, old), int(seen[1]) / 1024))
        return self.process.poll() is None

    def wait(self, until=lambda: False):
        """Whether `until` came true before the end."""
        while self.look():
            if until():
                return True
            time.sleep(0.02)
        self.seconds = time.monotonic() - self.started_at
        return False

    def send(self, number):
        """Seconds until it has ended."""
        sent_at = time.monotonic()
        self.process.send_signal(number)
        self.wait()
        return time.monotonic() - sent_at

    def output(self):
        return self.log.read_text()


class Bench:
    def __init__(self, arguments):
        self.arguments, self.work = arguments, arguments.work
        shutil.rmtree(self.work, ignore_errors=True)
        self.work.mkdir(parents=True)
        self.model = self.work / "model"
        subprocess.run([sys.executable, ROOT / "tests/support/make_model.py", "--size", "wide_text", "--out", self.model], check=True)

    def cache_command(self, pictures, output):
        return programs.command("cache_latents", "--model", self.model, "--images", pictures, "--output", output, "--img-size", SIDE_PIXELS)

    def start_caching(self, pictures, output):
        return Watched(self.cache_command(pictures, output), self.work / "log")

    def memory_rows(self, count):
        pictures, cache = self.work / f"pictures-{count}", self.work / f"cache-{count}"
        draw_pictures(pictures, count)
        time.sleep(2.5)  # what is younger is read again by every scan
        caching = self.start_caching(pictures, cache)
        caching.wait()
        assert caching.process.returncode == 0, caching.output()
        again = self.start_caching(pictures, cache)
        again.wait()
        training = Watched(programs.command("trainer", *programs.train_options(self.work / f"run-{count}", model=self.model, data=cache)),
                           self.work / "log")
        training.wait()
        assert training.process.returncode == 0, training.output()
        text_bytes = (cache / "text.h5").stat().st_size / 2**20
        print(f"{count}: cached in {caching.seconds:.0f} s, {caching.anonymous:.0f} MiB; trainer {training.anonymous:.0f} MiB", flush=True)
        return [(f"`cache_latents`, {count:,} pictures, text.h5 of {text_bytes:,.0f} MiB", caching),
                ("the same once more: nothing has changed", again),
                (f"`trainer`, one rank, {count:,} pictures", training)]

    def disturbed_rows(self, number, reference, pictures):
        """The cache is made by runs that are met by the signal, one in each stage, and one that ends."""
        output = self.work / f"cache-by-{signal.Signals(number).name}"
        rows = []
        for stage, begun in self.stages(output):
            run = self.start_caching(pictures, output)
            if not run.wait(begun):
                raise SystemExit(f"{stage} was not met: {run.output()}")
            seconds = run.send(number)
            rows.append([signal.Signals(number).name, stage, seconds, run.process.returncode])
            print(rows[-1], flush=True)
        last = self.start_caching(pictures, output)
        last.wait()
        assert last.process.returncode == 0, last.output()
        different = [file.name for file in sorted(reference.glob("[!.]*")) if not filecmp.cmp(file, output / file.name, shallow=False)]
        assert not different, different
        shutil.rmtree(output)
        return rows, last.seconds

    def stages(self, output):
        def shards():
            return len(list(output.glob("shard-*.h5")))

        def parts():
            return len(list(output.glob("text.h5.partial*")))

        begun_at = {}

        def a_while_after(name, seconds, begun):
            if begun() and name not in begun_at:
                begun_at[name] = time.monotonic()
            return name in begun_at and time.monotonic() - begun_at[name] > seconds

        count = self.arguments.pictures
        yield "looking at the pictures", lambda: a_while_after("scan", 0.3, lambda: (output / ".cache_latents.lock").exists())
        yield "encoding pictures", lambda: shards() > count // 256 // 3
        yield "encoding captions", lambda: parts() > count // CAPTIONS_PER_PART // 3
        yield "writing text.h5", lambda: a_while_after("file", 0.5, lambda: any(output.glob(".text.h5.tmp-*")))


def main():
    arguments = options()
    bench = Bench(arguments)
    quarter = arguments.pictures // 4
    memory = bench.memory_rows(quarter) + bench.memory_rows(arguments.pictures)
    reference, pictures = bench.work / f"cache-{arguments.pictures}", bench.work / f"pictures-{arguments.pictures}"
    disturbed = [bench.disturbed_rows(number, reference, pictures) for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGUSR1)]
    lines = [f"# {arguments.pictures:,} pictures with captions of their own", "",
             f"`bench/large_set.py`, on {os.cpu_count()} cores; pictures of {SIDE_PIXELS} × {SIDE_PIXELS}, a small VAE and UNet, embeddings of 77 × 768.",
             "", "| run | seconds | anonymous memory at most, MiB | resident at most, MiB |", "|---|---|---|---|"]
    lines += [f"| {name} | {run.seconds:.1f} | {run.anonymous:,.0f} | {run.resident:,.0f} |" for name, run in memory]
    lines += ["", "Met by a signal in each stage, one after the other, each run going on from the one before; then the cache has the bytes of the "
              "undisturbed one.", "", "| signal | stage | seconds until it had ended | exit code |", "|---|---|---|---|"]
    for rows, last_seconds in disturbed:
        lines += [f"| {name} | {stage} | {seconds:.2f} | {code} |" for name, stage, seconds, code in rows]
        lines += [f"| | the run that ended | {last_seconds:.1f} in all | 0 |"]
    text = "\n".join(lines) + "\n"
    (arguments.results / "large-set.md").write_text(text)
    print(text)
    shutil.rmtree(bench.work)


if __name__ == "__main__":
    main()
