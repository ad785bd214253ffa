"""A rank that hangs does not hang the job: the others notice, say so, and the run goes on from its newest checkpoint."""
import json
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
import runs

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
            self.check_record(run, output)
            result = programs.run("trainer", *options, "--dry-run", ranks=2)
            self.assertEqual(result.exit_code, 0, result.output)
            self.assertIn("resuming after step", result.output)

    def check_record(self, run, output):
        """The flight record of the rank that goes on names the one that is stopped, and the log says the same."""
        record = json.loads((run / "flight-rank-0.json").read_text())
        self.assertEqual(record["behind"], [1], record)
        entered = {rank["rank"]: rank["entered"] for rank in record["host_ranks"]}
        last = record["collectives"][-1]
        self.assertEqual(last["sequence"], entered[0])
        self.assertIsNone(last["left_seconds_ago"], "it waits in it")
        self.assertGreaterEqual(last["step"], 4)
        self.assertIn(f"collective {last['sequence']} ({last['operation']}", output)
        self.assertIn(f"behind: rank 1 (collective {entered[1]}, last sign of life", output)

    def test_that_was_stopped_for_longer_than_the_step_timeout_goes_on_when_all_ranks_were(self):
        """Slurm's gang scheduling, a frozen container, Ctrl-Z: time in which a rank could not run is not time without progress."""
        with tempfile.TemporaryDirectory() as directory:
            run = pathlib.Path(directory) / "run"
            for ranks in (None, 2):
                options = programs.train_options(run, max_steps=400, step_timeout=TIMEOUT_SECONDS)
                process = subprocess.Popen(programs.command("trainer", *options, ranks=ranks), env=programs.ENVIRONMENT,
                                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                self.addCleanup(process.kill)
                step = runs.last_step(run)
                runs.wait_for(lambda: runs.last_step(run) > step + 1, "a step")
                pids = trainer_processes(process.pid) if ranks else [process.pid]
                for number in (signal.SIGSTOP, signal.SIGTSTP):
                    for pid in pids:
                        os.kill(pid, number)
                    time.sleep(TIMEOUT_SECONDS + 1)
                    for pid in pids:
                        os.kill(pid, signal.SIGCONT)
                    step = runs.last_step(run)
                    runs.wait_for(lambda: runs.last_step(run) > step + 1 or process.poll() is not None, "another step")
                process.send_signal(signal.SIGUSR1)
                output, _ = process.communicate(timeout=60)
                self.assertEqual(process.returncode, programs.STOPPED, output)

    def test_while_starting_ends_the_job_within_the_startup_timeout_and_five_seconds(self):
        with tempfile.TemporaryDirectory() as directory:
            run = pathlib.Path(directory) / "run"
            options = programs.train_options(run, max_steps=400, startup_timeout=TIMEOUT_SECONDS)
            process = subprocess.Popen(programs.command("trainer", *options, ranks=2), env=programs.ENVIRONMENT,
                                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            self.addCleanup(process.kill)
            runs.wait_for(lambda: (run / "log-rank-1.txt").exists(), "the second rank")
            os.kill(trainer_processes(process.pid)[1], signal.SIGSTOP)
            stopped = time.monotonic()
            output, _ = process.communicate(timeout=60)
            self.assertLess(time.monotonic() - stopped, TIMEOUT_SECONDS + 5)
            self.assertEqual(process.returncode, programs.INTERNAL, output)
            self.assertEqual(json.loads((run / "flight-rank-0.json").read_text())["section"], "start-up")
            self.assertFalse((run / "metrics.jsonl").exists(), "stopped too late for this test")


if __name__ == "__main__":
    unittest.main(verbosity=2)
