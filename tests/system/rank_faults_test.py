"""Ranks that crash, leave early, are slow, or live in another time."""
import json
import os
import pathlib
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import background
import programs
import reference_run
import runs

STEPS = 24
SHIM = programs.BUILD / "tests/fault_shim.so"
LEAVE_WITH_0 = signal.SIGRTMIN + 1  # to the shim


class ARank(reference_run.ReferenceRun):
    steps = STEPS

    def options(self, **more):
        return programs.train_options(self.output, **{"max_steps": STEPS, "checkpoint_every": 2, **more})

    def launch(self, environment=None, **more):
        words = [programs.BUILD / "bin/launcher", "run", "--np", 2, "--first-pause", 0.2, "--", *self.options(**more)]
        return background.Program(self, words, environment)

    def assert_ends_well(self, process):
        return super().assert_ends_well(process, timeout_seconds=180)

    def test_that_crashes_aborts_or_leaves_early_with_0_is_noticed_and_the_run_ends_in_the_same_bytes(self):
        process = self.launch({"LD_PRELOAD": str(SHIM)})
        lost, noticed = [], []
        for step, number in ((4, signal.SIGSEGV), (9, signal.SIGABRT), (14, LEAVE_WITH_0)):
            process.wait_for_step(self.output, step)
            process.wait_for(lambda: len(runs.processes_of(self.output, "trainer")) == 2, "two ranks")
            os.kill(runs.processes_of(self.output, "trainer")[1], number)
            killed_at = time.time()
            attempts = self.output / "attempts.jsonl"
            process.wait_for(lambda: attempts.exists() and attempts.read_text().count("\n") > len(lost), "the end of the attempt")
            attempt = json.loads(attempts.read_text().splitlines()[-1])
            noticed.append(runs.seconds_since(killed_at, attempt["end"]))
            lost.append(attempt["step"] - attempt["checkpoint_step"])
        self.assert_ends_well(process)
        codes = [json.loads(line)["exit_code"] for line in (self.output / "attempts.jsonl").read_text().splitlines()]
        self.assertEqual(codes, [128 + signal.SIGSEGV, 128 + signal.SIGABRT, 1, 0])
        self.assertLess(max(noticed), 5)
        print(f"SIGSEGV, SIGABRT, exit 0: noticed after {', '.join(f'{seconds:.1f}' for seconds in noticed)} s, {lost} steps lost")

    def test_that_is_slow_is_named_in_the_log_within_twenty_steps_and_not_ended(self):
        process = background.Program(self, programs.command("trainer", *self.options(max_steps=60), ranks=2))
        process.wait_for_step(self.output, 2)
        rank = process.ranks()[1]
        first_slow_step = runs.last_step(self.output)
        while "is slow" not in process.output():
            self.assertIsNone(process.process.poll(), process.output())
            os.kill(rank, signal.SIGSTOP)
            time.sleep(0.06)
            os.kill(rank, signal.SIGCONT)
            time.sleep(0.02)
            self.assertLess(runs.last_step(self.output), first_slow_step + 45)
        named_at = runs.last_step(self.output)
        output, _ = process.finish(0)
        line = next(line for line in output.splitlines() if "is slow" in line)
        self.assertRegex(line, "rank 1 .*is slow")
        print(f"a slow rank was named {named_at - first_slow_step} steps after it became slow: {line}")

    def test_whose_wall_clock_jumps_by_days_changes_nothing_and_checkpoints_go_by_step(self):
        trainer = programs.command("trainer", *self.options(step_timeout=20))
        second = ["env", f"LD_PRELOAD={SHIM}", "FAULT_CLOCK=jumping", *trainer]
        self.assert_ends_well(background.Program(self, [*programs.MPIRUN, "-np", 1, *trainer, ":", "-np", 1, *second]))
        for age, checkpoint in enumerate(sorted(self.output.glob("checkpoint-step-*"))):
            os.utime(checkpoint, (86400 * age, 86400 * age))
        again = programs.run("trainer", *self.options(), "--dry-run")
        self.assertIn(f"resuming after step {STEPS}", again.output)

    def test_and_launcher_whose_wall_clocks_jump_by_days_go_on_after_a_crash(self):
        process = self.launch({"LD_PRELOAD": str(SHIM), "FAULT_CLOCK": "jumping"}, step_timeout=20)
        process.wait_for_step(self.output, 5)
        os.kill(runs.processes_of(self.output, "trainer")[0], signal.SIGKILL)
        self.assert_ends_well(process)


if __name__ == "__main__":
    unittest.main(verbosity=2)
