"""What a soak does to a run under `launcher run`: each function does one thing and returns what was hit, or None when it was not possible."""
import os
import random
import signal
import time

import runs


class Victim:
    """One launcher and the run directory it owns."""

    def __init__(self, launcher, run, chance: random.Random):
        self.launcher, self.run, self.chance = launcher, run, chance

    def processes(self, name):
        return runs.processes_of(self.run, name)

    def attempts(self):
        file = self.run / "attempts.jsonl"
        return file.read_text().count("\n") if file.exists() else 0

    def checkpoints(self):
        """Directories, the newest first."""
        return sorted(self.run.glob("checkpoint-step-*"), key=lambda path: -int(path.name.rsplit("-", 1)[1]))


def signal_a_rank(victim, number):
    ranks = victim.processes("trainer")
    if not ranks:
        return None
    rank = victim.chance.randrange(len(ranks))
    try:
        os.kill(ranks[rank], number)
    except ProcessLookupError:
        return None
    return f"rank {rank} of {len(ranks)}"


def kill_a_rank(victim):
    return signal_a_rank(victim, signal.SIGKILL)


def crash_a_rank(victim):
    return signal_a_rank(victim, victim.chance.choice([signal.SIGSEGV, signal.SIGABRT]))


def hang_a_rank(victim):
    return signal_a_rank(victim, signal.SIGSTOP)


def kill_mpirun(victim):
    found = victim.processes("mpirun")
    for pid in found:
        os.kill(pid, signal.SIGKILL)
    return "mpirun" if found else None


def preempt(victim):
    victim.launcher.send_signal(signal.SIGUSR1)
    return "launcher"


def kill_the_launcher(victim):
    victim.launcher.kill()
    return "launcher"


def spoil_the_newest_checkpoint(victim):
    """Kills a rank and damages the newest checkpoint before the next attempt reads it; never the only one."""
    attempts = victim.attempts()
    if len(victim.checkpoints()) < 2 or kill_a_rank(victim) is None:
        return None
    deadline = time.monotonic() + 20
    while victim.attempts() == attempts:
        if time.monotonic() > deadline or victim.launcher.poll() is not None:
            return None
        time.sleep(0.01)
    checkpoints = victim.checkpoints()
    if len(checkpoints) < 2:
        return None
    newest = checkpoints[0]
    file = newest / victim.chance.choice(["adapter.safetensors", "optimizer.safetensors", "state.json", "MANIFEST.json"])
    how = victim.chance.choice(["flip", "cut", "remove"])
    if how == "remove":
        file.unlink()
    elif how == "cut":
        os.truncate(file, file.stat().st_size // 2)
    else:
        content = bytearray(file.read_bytes())
        content[victim.chance.randrange(len(content))] ^= 1 << victim.chance.randrange(8)
        file.write_bytes(content)
    return f"{newest.name}/{file.name} ({how})"


# Mostly crashes and hangs, as in the published log of a large training (Llama 3: 419 interruptions).
WEIGHTS = {kill_a_rank: 5, crash_a_rank: 2, hang_a_rank: 3, kill_mpirun: 1, preempt: 4, kill_the_launcher: 1, spoil_the_newest_checkpoint: 4}


def draw(chance):
    return chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
