"""A program of ours in the background of a test, which does bad things to it."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

import programs
import runs


class Program:
    """Output goes to a file, so that it can be read while the program runs. Ended with the test, however that ends."""

    def __init__(self, test, words, environment=None):
        handle, name = tempfile.mkstemp(prefix="sdlora-output-")
        self.file = pathlib.Path(name)
        self.process = subprocess.Popen(list(map(str, words)), env={**programs.ENVIRONMENT, **(environment or {})}, stdout=handle,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        os.close(handle)
        self.test = test
        test.addCleanup(self._clean_up)

    def _clean_up(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(timeout=10)  # so that mpirun ends its ranks
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        self.file.unlink()

    def output(self):
        return self.file.read_text()

    def wait_for(self, is_so, what, timeout_seconds=120):
        """Fails, too, when the program ends before it is so."""
        runs.wait_for(lambda: is_so() or self.process.poll() is not None, what, timeout_seconds)
        self.test.assertTrue(is_so(), f"it ended before there was {what}: {self.output()}")

    def wait_for_text(self, text):
        self.wait_for(lambda: text in self.output(), repr(text))

    def wait_for_step(self, run, step):
        self.wait_for(lambda: runs.last_step(run) >= step, f"step {step}")

    def send(self, number):
        self.process.send_signal(number)

    def finish(self, *exit_codes, timeout_seconds=120):
        """Returns the output and how long it took."""
        start = time.monotonic()
        try:
            self.process.wait(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            self.test.fail(f"it did not end within {timeout_seconds} s: {self.output()}")
        self.test.assertIn(self.process.returncode, exit_codes, self.output())
        return self.output(), time.monotonic() - start

    def ranks(self):
        """Process ids of mpirun's children that are trainers, in the order they were started."""
        children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return sorted(int(pid) for pid in children if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "trainer")
