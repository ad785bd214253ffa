"""Watches runs from outside: how far they are, which processes they have, whether two of them are equal."""
import datetime
import json
import os
import pathlib
import signal
import time


def wait_for(is_so, what, timeout_seconds=180):
    deadline = time.monotonic() + timeout_seconds
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.02)


def records_of(run):
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def steps_of(run):
    """metrics.jsonl without what a clock says."""
    return [{key: value for key, value in record.items() if "second" not in key} for record in records_of(run)]


def last_step(run):
    """Whole lines of metrics.jsonl; 0 where there is none."""
    metrics = run / "metrics.jsonl"
    return metrics.read_text().count("\n") if metrics.exists() else 0


def processes_of(run, name=None):
    """{pid: name} of the live processes that a launcher started for this run directory; given a name, a list of pids in ascending order."""
    mark = f"SDLORA_RUN={run}".encode()
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "comm").read_text().strip()
        except OSError:
            continue
    return found if name is None else sorted(pid for pid, its_name in found.items() if its_name == name)


def end(process, run):
    """For a clean-up: whatever the test left."""
    if process.poll() is None:
        process.send_signal(signal.SIGCONT)
        process.kill()
    if process.stdout:
        process.stdout.close()
    process.wait()
    for pid in processes_of(run):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass


def seconds_since(moment, utc_text):
    return datetime.datetime.fromisoformat(utc_text.replace("Z", "+00:00")).timestamp() - moment


def assert_equal_results(test, run, reference, steps):
    for name in ("lora_weights.pt", f"checkpoint-step-{steps}/adapter.safetensors", f"checkpoint-step-{steps}/optimizer.safetensors"):
        test.assertEqual((run / name).read_bytes(), (reference / name).read_bytes(), name)
    test.assertEqual(steps_of(run), steps_of(reference))
