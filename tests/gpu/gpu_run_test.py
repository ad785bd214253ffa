"""Training over NCCL on a machine with a GPU: the same bytes on one and two ranks, and no job that hangs. Two ranks share one GPU, as no
training should. Where there is no GPU every test is skipped, with that as the reason."""
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS, TIMEOUT_SECONDS = 6, 10
GPU_COUNT = len(list(pathlib.Path("/dev").glob("nvidia[0-9]*")))


@unittest.skipIf(GPU_COUNT == 0, "this machine has no GPU")
class TrainingOnAGpu(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-gpu-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def options(self, name, **more):
        return [*programs.train_options(self.directory / name, device="cuda", comm="nccl", **{"max_steps": STEPS, **more}), "--deterministic"]

    def test_writes_the_same_bytes_on_one_and_two_ranks_over_nccl(self):
        for name, ranks, flags in (("one", 1, []), ("two", 2, ["--allow-gpu-sharing"])):
            result = programs.run("trainer", *self.options(name), *flags, ranks=ranks)
            self.assertEqual(result.exit_code, 0, result.output)
        runs.assert_equal_results(self, self.directory / "two", self.directory / "one", STEPS)

    def test_writes_the_same_bytes_when_its_work_is_a_cuda_graph(self):
        """Four micro-batches a step: the first three are not recorded, the others are replayed, with validations between them."""
        for precision, kind in (("no", "lora"), ("bf16", "lora"), ("fp16", "lora"), ("no", "dora"), ("bf16", "dora")):
            more = {"mixed_precision": precision, "validation_every": 2, "validation_split": 0.2, "lora_kind": kind, "lora_targets": "full"}
            for name, ranks, flags in (("plain", 1, []), ("graph", 1, ["--cuda-graph"]),
                                       ("two", 2, ["--cuda-graph", "--allow-gpu-sharing"])):
                result = programs.run("trainer", *self.options(f"{name}-{precision}-{kind}", **more), *flags, ranks=ranks)
                self.assertEqual(result.exit_code, 0, result.output)
            for name in ("graph", "two"):
                runs.assert_equal_results(self, self.directory / f"{name}-{precision}-{kind}", self.directory / f"plain-{precision}-{kind}", STEPS)

    def test_finds_the_same_losses_with_the_fastest_kernels(self):
        """Without --deterministic, as users train, with and without a graph."""
        for precision, tolerance in (("no", 1e-4), ("bf16", 0.02)):
            losses = {}
            for name, flags in (("exact", ["--deterministic"]), ("fast", []), ("graph", ["--cuda-graph"])):
                run = self.directory / f"{name}-fastest-{precision}"
                options = self.options(run.name, mixed_precision=precision)[:-1]  # without --deterministic
                result = programs.run("trainer", *options, *flags)
                self.assertEqual(result.exit_code, 0, result.output)
                losses[name] = [record["loss"] for record in runs.records_of(run)]
            for name in ("fast", "graph"):
                for mine, exact in zip(losses[name], losses["exact"], strict=True):
                    self.assertLess(abs(mine - exact) / exact, tolerance, name)

    def test_does_not_hang_when_a_rank_is_stopped(self):
        run = self.directory / "run"
        options = [*self.options("run", checkpoint_every=2, step_timeout=TIMEOUT_SECONDS, max_steps=4000), "--allow-gpu-sharing"]
        process = subprocess.Popen(programs.command("trainer", *options, ranks=2), env=programs.ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        self.addCleanup(process.kill)
        runs.wait_for(lambda: (run / "checkpoint-step-4").is_dir(), "step 4")
        children = pathlib.Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(max(map(int, children)), signal.SIGSTOP)
        stopped = time.monotonic()
        output, _ = process.communicate(timeout=120)
        self.assertEqual(process.returncode, programs.INTERNAL, output)
        self.assertLess(time.monotonic() - stopped, TIMEOUT_SECONDS + 10)

    @unittest.skipIf(GPU_COUNT > 1, "this machine has a GPU for each of two ranks")
    def test_is_refused_when_two_ranks_would_share_a_gpu(self):
        result = programs.run("trainer", *self.options("run"), ranks=2)
        self.assertEqual(result.exit_code, programs.MISMATCH, result.output)
        self.assertIn("ranks 0 and 1 on one", result.output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
