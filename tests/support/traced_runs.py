"""What is asked of a run whatever it trains: that PyTorch replays its trace, and that it ends in the bytes of another."""
import pathlib
import signal
import subprocess
import sys

import programs
import runs

REPLAY = pathlib.Path(__file__).parents[1] / "trainer/replay.py"


def assert_replays(test, run, trace=None):
    """`trace`: run/trace where nothing is said. Prints the errors."""
    done = subprocess.run([sys.executable, REPLAY, "--model", programs.TINY_MODEL, "--run", run, "--trace", trace or run / "trace"],
                          capture_output=True, text=True)
    print(done.stdout)
    test.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def assert_same_adapter(test, run, reference):
    test.assertEqual((run / "lora_weights.pt").read_bytes(), (reference / "lora_weights.pt").read_bytes(), run.name)


def stop_after_a_step(test, command, run):
    """Begins the run and ends it by a signal before it is done, with a checkpoint."""
    process = subprocess.Popen(command, env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    test.addCleanup(runs.end, process, run)
    runs.wait_for(lambda: runs.last_step(run) >= 1 or process.poll() is not None, "step 1")
    test.assertIsNone(process.poll(), "the run was over before it could be stopped")
    process.send_signal(signal.SIGUSR1)
    test.assertEqual(process.wait(timeout=60), programs.STOPPED)
