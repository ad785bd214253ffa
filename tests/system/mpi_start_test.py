"""MPI's start where hosts or containers are set up badly: it goes on, or ends in time with a message that says what to change. Needs root."""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import network_hosts
import programs

STARTUP_TIMEOUT = 6


class TestOfAStart(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-start-"))
        self.addCleanup(shutil.rmtree, self.directory)

    def trainer(self, name, **options):
        words = programs.train_options(self.directory / name, max_steps=3, startup_timeout=STARTUP_TIMEOUT, **options)
        return [str(programs.BUILD / "bin/trainer"), *map(str, words)]

    def run_command(self, *words, environment=None, timeout=60):
        start = time.monotonic()
        done = subprocess.run([str(word) for word in words], env=environment or programs.ENVIRONMENT, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=timeout)
        self.seconds = time.monotonic() - start
        return programs.Result(done.returncode, done.stdout)

    def assert_equal_to_a_plain_run(self, name):
        plain = self.run_command(*self.trainer("plain"))
        self.assertEqual(plain.exit_code, 0, plain.output)
        self.assertEqual(*((self.directory / run / "lora_weights.pt").read_bytes() for run in (name, "plain")))


class RanksWithoutCommonSharedMemory(TestOfAStart):
    """The counters by which a waiting rank sees its neighbours are not in /dev/shm, and not in a window of MPI's."""

    MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "--mca", "mpi_yield_when_idle", "1", "-np", "2"]

    def train(self, *words):
        result = self.run_command(*words)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equal_to_a_plain_run("run")

    def test_train_where_dev_shm_is_full(self):
        fill = "mount -t tmpfs -o size=1m none /dev/shm; head -c 1M /dev/zero >/dev/shm/x; "
        self.train("unshare", "-m", "bash", "-c", fill + 'exec "$@"', "_", *self.MPIRUN, *self.trainer("run"))

    def test_train_where_each_has_its_own_dev_shm(self):
        own = 'mount -t tmpfs none /dev/shm; exec "$@"'
        self.train(*self.MPIRUN, "unshare", "-m", "bash", "-c", own, "_", *self.trainer("run"))

    def test_train_where_dev_shm_is_read_only(self):
        own = 'mount -t tmpfs -o ro none /dev/shm; exec "$@"'
        self.train("unshare", "-m", "bash", "-c", own, "_", *self.MPIRUN, *self.trainer("run"))

    def test_train_where_each_has_its_own_process_ids(self):
        self.train(*self.MPIRUN, "--mca", "btl", "self,tcp", "unshare", "--pid", "--fork", "--mount-proc", *self.trainer("run"))


class HostsWithABridgeOfTheSameAddress(TestOfAStart):
    """docker0 is 172.17.0.1 on every host: Open MPI takes it for a way to the other, and waits there for ever."""

    def setUp(self):
        super().setUp()
        try:
            self.hosts = network_hosts.NetworkHosts(self.directory)
        except OSError as failure:
            self.skipTest(f"SKIPPED: no network namespaces here: {failure}")
        self.addCleanup(self.hosts.remove)
        for name in self.hosts.names:
            self.hosts.add_bridge(name, "docker0", "172.17.0.1/16")
        self.environment = self.hosts.environment()
        del self.environment["OMPI_MCA_btl_tcp_if_include"]

    def command(self, name, *words):
        return ["mpirun", "--hostfile", self.hosts.host_file, "-np", "2", *words, *self.trainer(name)]

    def test_end_in_time_with_the_interfaces_named(self):
        result = self.run_command(*self.command("run"), environment=self.environment)
        self.assertNotEqual(result.exit_code, 0, result.output)
        self.assertLess(self.seconds, STARTUP_TIMEOUT + 20)
        for words in ("MPI does not start", "docker0 172.17.0.1/16", "OMPI_MCA_btl_tcp_if_exclude=lo,docker0", "/dev/shm"):
            self.assertIn(words, result.output)

    def test_train_once_that_is_done(self):
        self.environment["OMPI_MCA_btl_tcp_if_exclude"] = "lo,docker0"
        result = self.run_command(*self.command("run"), environment=self.environment)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assert_equal_to_a_plain_run("run")

    def test_are_noted_by_the_doctor(self):
        space = self.hosts.spaces[self.hosts.names[0]]
        result = self.run_command("ip", "netns", "exec", space, programs.BUILD / "bin/launcher", "doctor", "--output", self.directory)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("OMPI_MCA_btl_tcp_if_exclude=lo,docker0", result.output)


if __name__ == "__main__":
    unittest.main()
