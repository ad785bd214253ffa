"""A run over two hosts (network namespaces of this machine) survives the death of one and the loss of its link, with the same bytes."""
import json
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
import network_hosts
import programs
import runs

STEPS = 24
MOST_SECONDS_TO_NOTICE = 30


class ARunOverTwoHosts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-hosts-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        try:
            cls.hosts = network_hosts.NetworkHosts(cls.directory)
        except OSError as failure:
            raise unittest.SkipTest(f"SKIPPED: no network namespaces here: {failure}")
        cls.addClassCleanup(cls.hosts.remove)
        cls.reference = cls.directory / "reference"
        result = programs.train(cls.reference, max_steps=STEPS, timeout_seconds=240)
        assert result.exit_code == 0, result.output

    def setUp(self):
        self.output = self.directory / self._testMethodName
        options = programs.train_options(self.output, max_steps=STEPS, checkpoint_every=2)
        self.process = subprocess.Popen([programs.BUILD / "bin/launcher", "run", "--np", "2", "--hosts", self.hosts.host_file,
                                         "--first-pause", "2", "--", *map(str, options)], env=self.hosts.environment(),
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.addCleanup(runs.end, self.process, self.output)
        runs.wait_for(lambda: runs.last_step(self.output) >= 5 or self.process.poll() is not None, "step 5")
        self.assertIsNone(self.process.poll(), "it ended too early")

    def attempts(self):
        file = self.output / "attempts.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def finish(self, fault, happened_at):
        output, _ = self.process.communicate(timeout=150)
        self.assertEqual(self.process.returncode, 0, output)
        first, *_, last = self.attempts()
        self.assertNotEqual(first["exit_code"], 0)
        self.assertEqual(last["exit_code"], 0)
        seconds = runs.seconds_since(happened_at, first["end"])
        self.assertLess(seconds, MOST_SECONDS_TO_NOTICE)
        runs.assert_equal_results(self, self.output, self.reference, STEPS)
        print(f"{fault}: noticed after {seconds:.1f} s (exit code {first['exit_code']}), {first['step'] - last['first_step']} steps lost, "
              f"{len(self.attempts())} attempts")

    def test_really_has_a_rank_on_each(self):
        for name in self.hosts.names:
            ranks = set(self.hosts.processes_on(name)) & set(runs.processes_of(self.output, "trainer"))
            self.assertEqual(len(ranks), 1, name)
        self.process.send_signal(signal.SIGUSR1)
        output, _ = self.process.communicate(timeout=120)
        self.assertEqual(self.process.returncode, programs.STOPPED, output)

    def test_goes_on_after_all_processes_of_a_host_died(self):
        for pid in self.hosts.processes_on("node2"):
            os.kill(pid, signal.SIGKILL)
        self.finish("a host died", time.time())

    def test_goes_on_after_a_host_lost_its_link(self):
        self.hosts.cut("node2")
        self.addCleanup(self.hosts.mend, "node2")
        cut_at = time.time()
        runs.wait_for(self.attempts, "the end of the first attempt")
        self.hosts.mend("node2")
        self.finish("a host lost its link", cut_at)

    def test_rides_out_a_break_of_its_link_that_loses_packets_for_two_seconds(self):
        self.hosts.cut("node2")
        time.sleep(2)
        self.hosts.mend("node2")
        output, _ = self.process.communicate(timeout=150)
        self.assertEqual(self.process.returncode, 0, output)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()], [0])
        runs.assert_equal_results(self, self.output, self.reference, STEPS)


if __name__ == "__main__":
    unittest.main(verbosity=2)
