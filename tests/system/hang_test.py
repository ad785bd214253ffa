"""A rank that hangs does not hang the job: the others notice, say so, and the run goes on from its newest checkpoint."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

TIMEOUT_SECONDS = 3


def trainer_processes(mpirun):
    """Process ids of the ranks, children of mpirun, in the order they were started."""
    pids = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, rest = stat.read_text().split(" ", 1)
        except OSError:
            continue
        name, fields = rest.rsplit(") ", 1)
        if name == "(trainer" and fields.split()[1] == str(mpirun):
            pids.append(int(pid))
    return sorted(pids)


class AHangingRank(unittest.TestCase):
    def test_ends_the_job_within_the_step_timeout_and_five_seconds(self):
        with tempfile.TemporaryDirectory() as directory:
            run = pathlib.Path(directory) / "run"
            options = programs.train_options(run, max_steps=400, checkpoint_every=2, step_timeout=TIMEOUT_SECONDS)
            process = subprocess.Popen(programs.command("trainer", *options, ranks=2), env=programs.ENVIRONMENT,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.addCleanup(process.kill)
            deadline = time.monotonic() + 60
            while not (run / "checkpoint-step-4").is_dir():
                self.assertLess(time.monotonic(), deadline, "no progress")
                time.sleep(0.02)
            os.kill(trainer_processes(process.pid)[1], signal.SIGSTOP)
            stopped = time.monotonic()
            output, _ = process.communicate(timeout=60)
            seconds = time.monotonic() - stopped
            print(f"a stopped rank ended the job after {seconds:.1f} s with a step timeout of {TIMEOUT_SECONDS} s")
            self.assertEqual(process.returncode, programs.INTERNAL, output)
            self.assertIn("no progress: this rank gives up", output)
            self.assertLess(seconds, TIMEOUT_SECONDS + 5)
            result = programs.run("trainer", *options, "--dry-run", ranks=2)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertIn("resuming after step", result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
