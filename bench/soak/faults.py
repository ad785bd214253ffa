"""What a soak does to a run under `launcher run`: each function does one thing and returns what was hit, or None when it was not possible."""
import os
import random
import signal
import time

import runs


class Victim:
    """One launcher, the run directory it owns, and what it lives in."""

    def __init__(self, launcher, run, enclosure, chance: random.Random):
        self.launcher, self.run, self.enclosure, self.chance = launcher, run, enclosure, chance

    def processes(self, name):
        return runs.processes_of(self.run, name)

    def attempts(self):
        file = self.run / "attempts.jsonl"
        return file.read_text().count("\n") if file.exists() else 0

    def has_ended_more_than(self, attempts, timeout_seconds=20):
        """Waits for it; False when it does not come, or the launcher has left."""
        deadline = time.monotonic() + timeout_seconds
        while self.attempts() <= attempts:
            if time.monotonic() > deadline or self.launcher.poll() is not None:
                return False
            time.sleep(0.01)
        return True

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


def send(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


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


def terminate(victim):
    """As docker stop does, which reaches the launcher alone, or as Slurm does, which reaches every process."""
    if victim.chance.random() < 0.5:
        victim.launcher.terminate()
        return "launcher"
    for pid in runs.processes_of(victim.run):
        send(pid, signal.SIGTERM)
    victim.launcher.terminate()
    return "every process"


def hang_up(victim):
    victim.launcher.send_signal(signal.SIGHUP)
    return "launcher"


def stop_for_a_while(victim):
    """Every process, for longer than the step timeout; nothing may come of it."""
    everybody = [victim.launcher.pid, *runs.processes_of(victim.run)]
    for pid in everybody:
        send(pid, signal.SIGSTOP)
    time.sleep(victim.chance.uniform(2, 12))
    for pid in everybody:
        send(pid, signal.SIGCONT)
    return f"{len(everybody)} processes"


def lose_the_reader(victim):
    """Of everything that the launcher prints; then a rank dies, so that it has to go on without one."""
    victim.enclosure.lose_the_reader()
    return kill_a_rank(victim)


def fill_shared_memory(victim):
    """/dev/shm is full under the living ranks and for every attempt that this launcher begins."""
    return kill_a_rank(victim) if victim.enclosure.fill_shared_memory() else None


def limit_memory(victim):
    """A rank dies, and the next attempt gets less memory than it needs, until the kernel has ended it."""
    attempts, memory = victim.attempts(), victim.enclosure.memory
    if not memory.group or kill_a_rank(victim) is None or not victim.has_ended_more_than(attempts):
        return None
    if memory.limit(victim.chance.uniform(0.4, 0.7)):
        victim.has_ended_more_than(attempts + 1)
    memory.lift_the_limit()
    return "memory"


def kill_the_launcher(victim):
    victim.launcher.kill()
    return "launcher"


def spoil_the_newest_checkpoint(victim):
    """Kills a rank and damages the newest checkpoint before the next attempt reads it; never the only one."""
    attempts = victim.attempts()
    if len(victim.checkpoints()) < 2 or kill_a_rank(victim) is None or not victim.has_ended_more_than(attempts):
        return None
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
WEIGHTS = {kill_a_rank: 4, crash_a_rank: 2, hang_a_rank: 3, kill_mpirun: 1, preempt: 3, kill_the_launcher: 1, spoil_the_newest_checkpoint: 3,
           terminate: 3, hang_up: 2, stop_for_a_while: 2, lose_the_reader: 2, fill_shared_memory: 2, limit_memory: 2}
PREEMPTING = {preempt, terminate, hang_up}  # the launcher saves and leaves
HARMLESS = {stop_for_a_while}               # the attempt goes on


def draw(chance):
    return chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
