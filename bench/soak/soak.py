"""A soak: trainings of the small model under `launcher run`, on 1 to 4 ranks, to which something bad happens every few seconds; each must
end in the bytes of the run that was left alone.

    python bench/soak/soak.py                                  an hour
    python bench/soak/soak.py --minutes 2
    python bench/soak/soak.py --record bench/results/soak.md   and write the table there

Use the Python of the build's environment (bash launcher/setup.sh prints its folder). Faults: a rank is killed, crashes or hangs, mpirun or
the launcher is killed, USR1, TERM or HUP preempts the run (it goes on with another number of ranks), the newest checkpoint is damaged,
every process is stopped for a while, the reader of the output is gone, /dev/shm is full, a control group leaves too little memory. Needs
root (for a /dev/shm and a group of its own). One picture of the data makes loss and gradient overflow, so that every other step is skipped on every rank. Ends with 1 when any run differs.
"""
import argparse
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
import enclosure
import faults
import poisoned_cache
import programs
import runs

BATCH, MICRO_BATCH = 12, 1  # 1, 2, 3 and 4 ranks divide it
MAXIMUM_RANKS = 4
LONGEST_END_SECONDS = 300  # of the last run, once nothing bad happens any more
STOPPED = programs.STOPPED


class Tally:
    """What was seen, over all runs."""

    def __init__(self):
        self.faults = {}                # name → how often
        self.unharmed = 0               # attempts that went on after a fault that must not end them
        self.noticed = {"dead": [], "hang": [], "preempted": []}  # seconds until the attempt was over
        self.back = []                  # seconds from the end of an attempt to the first new step of the next
        self.lost = {"preempted": [], "other": []}                # steps an attempt had done and the next repeats
        self.spoilt = self.skipped_checkpoints = 0
        self.useful_seconds = self.wall_seconds = 0.0
        self.skipped_steps = self.given_up = self.finished = 0
        self.different = []


class Soak:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.chance = random.Random(arguments.seed)
        self.data = folder / "poisoned"
        poisoned_cache.poison(self.data, [7])
        self.tally = Tally()

    def options(self, run, step_timeout):
        return programs.train_options(run, data=self.data, max_steps=self.arguments.steps, warmup_steps=10, batch_size=BATCH,
                                      micro_batch_size=MICRO_BATCH, checkpoint_every=self.arguments.checkpoint_every,
                                      step_timeout=step_timeout)

    def undisturbed(self):
        run = self.folder / "undisturbed"
        start = time.monotonic()
        result = programs.run("trainer", *self.options(run, step_timeout=300), ranks=2, timeout_seconds=1800)
        assert result.exit_code == 0, result.output
        self.undisturbed_seconds = time.monotonic() - start
        self.reference = run
        print(f"undisturbed: {self.arguments.steps} steps in {self.undisturbed_seconds:.1f} s on 2 ranks, "
              f"{sum(record['skipped'] for record in runs.records_of(run))} of them skipped", flush=True)

    def start_launcher(self, run, place):
        ranks = self.chance.randint(1, MAXIMUM_RANKS)
        words = [programs.BUILD / "bin/launcher", "run", "--np", ranks, "--first-pause", 1, "--stall-timeout", self.arguments.stall_timeout,
                 "--", *self.options(run, self.arguments.step_timeout)]
        return place.start(words, run.with_suffix(".output"), programs.ENVIRONMENT)

    def disturbed(self, number, strike_until):
        """One run, from its first start to its end, to which nothing more happens after a moment of the monotonic clock."""
        run = self.folder / f"run-{number}"
        place = enclosure.Enclosure(f"sdlora-soak-{os.getpid()}-{number}")
        start = time.monotonic()
        launcher = self.start_launcher(run, place)
        while True:
            assert time.monotonic() < strike_until + LONGEST_END_SECONDS, f"run {number} does not end; see {run}"
            strike_at = time.monotonic() + self.chance.expovariate(1 / self.arguments.every)
            while launcher.poll() is None and time.monotonic() < strike_at:
                time.sleep(0.02)
            if launcher.poll() is None and time.monotonic() < strike_until:
                self.strike(launcher, run, place)
            if launcher.poll() is None:
                continue
            self.wait_for_the_dead(run)
            if launcher.returncode == 0:
                break
            if launcher.returncode not in (STOPPED, -9):
                self.tally.given_up += 1
                print(f"run {number}: the launcher left with {launcher.returncode}; started again", flush=True)
            ended_at, steps, log = time.time(), runs.last_step(run), self.inode(run)
            kind = "preempted" if launcher.returncode == STOPPED else "other"
            launcher = self.start_launcher(run, place)
            self.wait_until_it_works(launcher, run, kind, ended_at, steps, log)
        self.tally.wall_seconds += time.monotonic() - start
        place.close()
        self.judge(run, number)

    def strike(self, launcher, run, place):
        fault, victim = faults.draw(self.chance), faults.Victim(launcher, run, place, self.chance)
        attempts, struck_at = victim.attempts(), time.time()
        if not victim.processes("trainer") or fault(victim) is None:
            return
        name = fault.__name__
        self.tally.faults[name] = self.tally.faults.get(name, 0) + 1
        self.tally.spoilt += fault is faults.spoil_the_newest_checkpoint
        if fault in faults.HARMLESS:
            self.watch_it_go_on(victim, attempts)
            return
        if fault is faults.kill_the_launcher:
            launcher.wait()
            self.wait_for_the_dead(run)
            self.tally.noticed["dead"].append(time.time() - struck_at)
            return
        runs.wait_for(lambda: victim.attempts() > attempts or launcher.poll() is not None, "an end of the attempt")
        if victim.attempts() == attempts:
            return
        record = json.loads((run / "attempts.jsonl").read_text().splitlines()[-1])
        if record["exit_code"] == 0:
            return  # it was done before it was hit
        kind = "preempted" if fault in faults.PREEMPTING else "hang" if fault is faults.hang_a_rank else "dead"
        ended_at = runs.seconds_since(0, record["end"])
        self.tally.noticed[kind].append(ended_at - struck_at)
        if fault not in faults.PREEMPTING:
            self.wait_until_it_works(launcher, run, "other", ended_at, record["step"], self.inode(run))

    def watch_it_go_on(self, victim, attempts):
        """The next step comes, or the end of the training, and no other end of the attempt."""
        step = runs.last_step(victim.run)
        runs.wait_for(lambda: runs.last_step(victim.run) > step or victim.attempts() > attempts or victim.launcher.poll() is not None,
                      "a step after a stop")
        ended = (victim.run / "attempts.jsonl").read_text().splitlines()[attempts:] if victim.attempts() > attempts else []
        if any(json.loads(line)["exit_code"] != 0 for line in ended):
            self.tally.different.append(f"{victim.run.name}: an attempt ended because it was stopped for a while")
        else:
            self.tally.unharmed += 1

    def wait_until_it_works(self, launcher, run, kind, ended_at, steps_done, old_log):
        """Until the next attempt, which begins a metrics.jsonl of its own, has done its first step."""
        def works():
            return self.inode(run) != old_log and runs.last_step(run) > self.resumed_step(run)

        runs.wait_for(lambda: works() or launcher.poll() is not None, "a step of the next attempt")
        if works():
            self.tally.back.append(time.time() - ended_at)
            self.tally.lost[kind].append(max(0, steps_done - self.resumed_step(run)))

    @staticmethod
    def inode(run):
        metrics = run / "metrics.jsonl"
        return metrics.stat().st_ino if metrics.exists() else None

    @staticmethod
    def resumed_step(run):
        log = (run / "log.txt").read_text(errors="replace") if (run / "log.txt").exists() else ""
        return int(log.rsplit("resuming after step ", 1)[1].split()[0]) if "resuming after step " in log else 0

    @staticmethod
    def wait_for_the_dead(run):
        runs.wait_for(lambda: not runs.processes_of(run), "an end of the ranks", timeout_seconds=30)

    def judge(self, run, number):
        tally, steps = self.tally, self.arguments.steps
        names = ["lora_weights.pt", *(f"checkpoint-step-{steps}/{kind}.safetensors" for kind in ("adapter", "optimizer"))]
        differing = [name for name in names if (run / name).read_bytes() != (self.reference / name).read_bytes()]
        if runs.steps_of(run) != runs.steps_of(self.reference):
            differing.append("metrics.jsonl")
        records = runs.records_of(run)
        tally.finished += 1
        tally.useful_seconds += sum(record["step_seconds"] for record in records)
        tally.skipped_steps += sum(record["skipped"] for record in records)
        tally.skipped_checkpoints += (run / "log.txt").read_text(errors="replace").count("skipped a checkpoint")
        tally.different += [f"run-{number}: {name}" for name in differing]
        print(f"run {number}: {'DIFFERS: ' + ', '.join(differing) if differing else 'the same bytes'} after "
              f"{sum(1 for _ in open(run / 'attempts.jsonl'))} attempts; so far {sum(tally.faults.values())} faults", flush=True)
        if not differing:
            shutil.rmtree(run)
            run.with_suffix(".output").unlink()


def quantiles(values):
    if not values:
        return "none"
    ordered = sorted(values)
    return f"{statistics.median(ordered):.1f} / {ordered[int(0.95 * (len(ordered) - 1))]:.1f} / {ordered[-1]:.1f} ({len(ordered)})"


def table(soak, minutes):
    tally, arguments = soak.tally, soak.arguments
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], stdout=subprocess.PIPE, text=True).stdout.strip()
    processor = next((line.split(": ")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine())
    lines = [f"# Soak of {minutes:.0f} minutes", "",
             f"{datetime.date.today()}, commit {commit}, {os.cpu_count()} cores of {processor} (load {os.getloadavg()[1]:.1f} over five minutes), the tests' "
             f"small model, 1 to {MAXIMUM_RANKS} ranks, {arguments.steps} steps of {BATCH} samples a run, a checkpoint every {arguments.checkpoint_every} "
             f"steps, a step timeout of {arguments.step_timeout} s, a stall timeout of {arguments.stall_timeout} s, a fault every {arguments.every} s on average, seed {arguments.seed}.", "",
             "```", f"python bench/soak/soak.py --minutes {arguments.minutes:g} --every {arguments.every:g} --seed {arguments.seed}", "```", "",
             "| | |", "|---|---|",
             f"| runs that ended in the bytes of the undisturbed one | {tally.finished - len({name.split(':')[0] for name in tally.different})} of {tally.finished} |",
             f"| faults | {sum(tally.faults.values())}: {', '.join(f'{count} × {name}' for name, count in sorted(tally.faults.items()))} |",
             f"| steps skipped because of the poisoned picture | {tally.skipped_steps} |",
             f"| a dead rank, mpirun or launcher: attempt over after, s, p50 / p95 / max (count) | {quantiles(tally.noticed['dead'])} |",
             f"| a hanging rank: attempt over after, s | {quantiles(tally.noticed['hang'])} |",
             f"| preempted: saved and left after, s | {quantiles(tally.noticed['preempted'])} |",
             f"| back at work (first new step) after the end of an attempt, s, with pause and model load | {quantiles(tally.back)} |",
             f"| steps lost on preemption | {quantiles(tally.lost['preempted'])} |",
             f"| steps lost otherwise | {quantiles(tally.lost['other'])} |",
             f"| damaged newest checkpoints: skipped with a reason | {tally.skipped_checkpoints} of {tally.spoilt} |",
             f"| stopped for a while: the attempt went on | {tally.unharmed} of {tally.faults.get('stop_for_a_while', 0)} |",
             f"| times the launcher gave up and was started again by hand | {tally.given_up} |",
             f"| goodput: time in steps that count / wall time | {100 * tally.useful_seconds / tally.wall_seconds:.0f} % |"]
    return "\n".join([*lines, *tally.different]) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="of faults; the run under way then is finished in peace (default 60)")
    parser.add_argument("--every", type=float, default=10, help="seconds between faults, on average (default 10)")
    parser.add_argument("--steps", type=int, default=100, help="of each run (default 100)")
    parser.add_argument("--checkpoint-every", type=int, default=10, help="steps (default 10)")
    parser.add_argument("--step-timeout", type=int, default=5, help="seconds (default 5)")
    parser.add_argument("--stall-timeout", type=int, default=15, help="seconds: who notices a rank that is alone and stopped (default 15)")
    parser.add_argument("--seed", type=int, default=1, help="of the faults; what they hit depends on time, too (default 1)")
    parser.add_argument("--record", type=pathlib.Path, help="write the table to this file, too")
    arguments = parser.parse_args()
    if not programs.TINY_CACHE.exists():
        subprocess.run(["ctest", "--test-dir", programs.BUILD, "-R", "make_tiny"], check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="sdlora-soak-") as folder:
        soak = Soak(arguments, pathlib.Path(folder))
        soak.undisturbed()
        start, number = time.monotonic(), 0
        strike_until = start + 60 * arguments.minutes
        while time.monotonic() < strike_until:
            number += 1
            soak.disturbed(number, strike_until)
        text = table(soak, (time.monotonic() - start) / 60)
        print(text)
        if arguments.record:
            arguments.record.parent.mkdir(parents=True, exist_ok=True)
            arguments.record.write_text(text)
    sys.exit(bool(soak.tally.different))


if __name__ == "__main__":
    main()
