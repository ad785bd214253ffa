"""The scripts in slurm/ under a real Slurm, which this test starts: finish, crash, preemption, requeue, and the same bytes in the end."""
import json
import os
import pathlib
import shutil
import signal
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).parents[2]
sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs
import slurm_cluster

STEPS = 20
COPIES = 40  # of the small set of pictures, so that caching them takes a few seconds
AS_ROOT = {name: value for name, value in programs.ENVIRONMENT.items() if name.startswith("OMPI_ALLOW")}
TRAIN = ROOT / "slurm/train_lora.sh"
CACHE = ROOT / "slurm/cache_latents.sh"


class AJob(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        missing = slurm_cluster.missing_for_it()
        if missing == "no root":
            raise unittest.SkipTest("SKIPPED: a Slurm of one's own needs root")
        assert not missing, f"not installed: {missing}; run launcher/setup.sh"
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-slurm-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.cluster = slurm_cluster.SlurmCluster()
        cls.addClassCleanup(cls.cluster.stop)
        cls.reference = cls.directory / "reference"
        result = programs.train(cls.reference, max_steps=STEPS, timeout_seconds=240)
        assert result.exit_code == 0, result.output

    def setUp(self):
        self.output = self.directory / self._testMethodName
        self.log = self.directory / f"{self._testMethodName}.log"

    def submit(self, script, *options, settings=None, flags=()):
        return self.cluster.submit("--ntasks-per-node=2", "--cpus-per-task=1", f"--output={self.log}", *flags, script, *options, cwd=self.directory,
                                   SDLORA_BIN=str(programs.BUILD / "bin"), **(settings or {}))

    def train(self, settings=None, flags=(), **more):
        options = programs.train_options(**{"output": self.output, "max_steps": STEPS, "checkpoint_every": 2, **more})
        return self.submit(TRAIN, *options, settings=settings, flags=flags)

    def wait_for_step(self, step, job):
        runs.wait_for(lambda: runs.last_step(self.output) >= step or self.cluster.job(job)["JobState"] == "FAILED", f"step {step}")
        self.assertEqual(self.cluster.job(job)["JobState"], "RUNNING", self.text())

    def text(self):
        return self.log.read_text() if self.log.exists() else "no log yet"

    def finish(self, job, state="COMPLETED"):
        end = self.cluster.wait_for_end(job)
        self.assertEqual(end["JobState"], state, self.text())
        return end

    def attempts(self):
        return [json.loads(line) for line in (self.output / "attempts.jsonl").read_text().splitlines()]

    def test_of_an_array_that_is_preempted_is_queued_again_and_ends_in_the_same_bytes(self):
        targets = self.directory / "targets"
        targets.mkdir()
        self.output = self.output.with_name(f"{self.output.name}-3")
        job = self.train(settings={"SDLORA_TARGETS_DIR": str(targets)}, flags=["--array=3"], output=str(self.output).replace("-3", "-%a"))
        self.wait_for_step(3, job)
        self.assertEqual(len(list(targets.glob("sdlora-*.json"))), 1)
        self.cluster.run("scancel", "--batch", "--signal=USR1", job)
        asked_at = time.time()
        end = self.finish(job)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()], [programs.STOPPED, 0], self.text())
        first, second = self.attempts()
        self.assertEqual(first["checkpoint_step"], first["step"], "no step may be lost")
        self.assertEqual(end["Restarts"], "1")
        self.assertIn("start 1,", self.text())
        self.assertIn("start 2,", self.text())
        self.assertEqual(list(targets.iterdir()), [])
        runs.assert_equal_results(self, self.output, self.reference, STEPS)
        print(f"preempted: saved and left after {runs.seconds_since(asked_at, first['end']):.1f} s, running again after "
              f"{runs.seconds_since(asked_at, second['start']):.1f} s ({slurm_cluster.SECONDS_TO_REQUEUE} of them Slurm's pause), 0 steps lost")

    def test_whose_rank_is_killed_goes_on_inside_the_job(self):
        job = self.train()
        self.wait_for_step(5, job)
        os.kill(runs.processes_of(self.output, "trainer")[1], signal.SIGKILL)
        killed_at = time.time()
        end = self.finish(job)
        self.assertEqual(len(self.attempts()), 2, self.text())
        first, second = self.attempts()
        self.assertIn(first["exit_code"], (programs.KILLED, 128 + signal.SIGTERM), self.text())  # srun tells the highest of its tasks
        self.assertEqual(second["exit_code"], 0)
        self.assertEqual(end["Restarts"], "0")
        runs.assert_equal_results(self, self.output, self.reference, STEPS)
        print(f"a killed rank ended the attempt after {runs.seconds_since(killed_at, first['end']):.1f} s")

    def test_that_is_cancelled_saves_and_is_not_queued_again(self):
        job = self.train()
        self.wait_for_step(3, job)
        self.cluster.run("scancel", job)
        end = self.finish(job, "CANCELLED")
        self.assertEqual(end["Restarts"], "0")
        [attempt] = self.attempts()
        self.assertEqual((attempt["exit_code"], attempt["checkpoint_step"]), (programs.STOPPED, attempt["step"]), "no step may be lost")
        self.assertIn("submit it again to go on", self.text())
        self.finish(self.train())
        runs.assert_equal_results(self, self.output, self.reference, STEPS)

    def test_that_uses_mpirun_and_is_requeued_by_the_administrator_goes_on(self):
        job = self.train(settings={"SDLORA_STARTER": "mpirun"})
        self.wait_for_step(5, job)
        self.cluster.run("scontrol", "requeue", job)
        runs.wait_for(lambda: self.cluster.job(job)["Restarts"] == "1", "the requeue")
        self.finish(job)
        self.assertIn("resuming after step", self.text())
        runs.assert_equal_results(self, self.output, self.reference, STEPS)

    def test_that_cannot_succeed_is_not_queued_again(self):
        end = self.finish(self.train(learnig_rate=1), "FAILED")
        self.assertEqual((end["ExitCode"], end["Restarts"]), (f"{programs.USAGE}:0", "0"))
        self.assertIn("did you mean --learning-rate?", self.text())

    def test_that_has_been_requeued_often_enough_is_not_queued_again(self):
        job = self.train(settings={"SDLORA_MAX_REQUEUES": "0"})
        self.wait_for_step(2, job)
        self.cluster.run("scancel", "--batch", "--signal=USR1", job)
        end = self.finish(job, "FAILED")
        self.assertEqual((end["ExitCode"], end["Restarts"]), (f"{programs.STOPPED}:0", "0"))
        self.assertIn("submit it again to go on", self.text())

    def test_that_caches_and_is_preempted_is_queued_again_and_ends_in_the_same_bytes(self):
        pictures = self.directory / "many-pictures"
        pictures.mkdir()
        for copy in range(COPIES):
            for file in pathlib.Path(f"{programs.TINY_CACHE}-pictures").iterdir():
                if file.suffix != ".jsonl":
                    (pictures / f"{copy:02}-{file.name}").symlink_to(file)
        options = ["--model", programs.TINY_MODEL, "--images", pictures, "--img-size", 64, "--shard-size", 200]
        alone = self.directory / "many-alone"
        result = programs.run("cache_latents", *options, "--output", alone)
        self.assertEqual(result.exit_code, 0, result.output)
        job = self.submit(CACHE, *options, "--output", self.output, settings={**AS_ROOT, "SDLORA_STARTER": "mpirun"})
        runs.wait_for(lambda: "encoding" in self.text() or self.cluster.job(job)["JobState"] == "FAILED", "pictures that are encoded")
        self.cluster.run("scancel", "--batch", "--signal=USR1", job)
        end = self.finish(job)
        self.assertEqual(end["Restarts"], "1", self.text())
        self.assertIn(f"cache_latents left with {programs.STOPPED}", self.text())
        for file in sorted(alone.glob("*.h5")):
            self.assertEqual((self.output / file.name).read_bytes(), file.read_bytes(), file.name)

    def test_caches_what_cache_latents_alone_does(self):
        pictures = pathlib.Path(f"{programs.TINY_CACHE}-pictures")
        options = ["--model", programs.TINY_MODEL, "--images", pictures, "--img-size", 64]
        alone = self.directory / "alone"
        result = programs.run("cache_latents", *options, "--output", alone)
        self.assertEqual(result.exit_code, 0, result.output)
        self.finish(self.submit(CACHE, *options, "--output", self.output))
        for file in sorted(alone.glob("*.h5")):
            self.assertEqual((self.output / file.name).read_bytes(), file.read_bytes(), file.name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
