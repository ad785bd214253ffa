"""A long training needs no more memory at its end than at its beginning: 2,000 steps of the small model."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS, FIRST_LOOK = 2000, 200
GROWTH_KIB = 8192  # noise of the allocator; 5 KiB kept a step would be more


def own_memory_kib(pid):
    return int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


class ALongTraining(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-memory-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def test_needs_no_more_memory_at_its_end(self):
        run = self.directory / "run"
        process = subprocess.Popen(programs.command("trainer", *programs.train_options(run, max_steps=STEPS + 100, batch_size=1, checkpoint_every=500)),
                                   env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(runs.end, process, run)
        kib = {}
        for step in (FIRST_LOOK, STEPS // 2, STEPS):
            runs.wait_for(lambda: runs.last_step(run) >= step, f"step {step}")
            kib[step] = own_memory_kib(process.pid)
        self.assertEqual(process.wait(timeout=60), 0)
        print(", ".join(f"{value / 1024:.1f} MiB after {step} steps" for step, value in kib.items()), flush=True)
        self.assertLess(kib[STEPS] - kib[FIRST_LOOK], GROWTH_KIB)


if __name__ == "__main__":
    unittest.main(verbosity=2)
