"""Tests whose runs must end in the bytes of one that was never touched."""
import pathlib
import shutil
import tempfile
import unittest

import programs
import runs


class ReferenceRun(unittest.TestCase):
    """A subclass sets `steps`; all its tests share one reference of so many steps, and each has an output directory of its own."""

    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix=f"sdlora-{cls.__name__.lower()}-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.reference = cls.directory / "reference"
        result = programs.train(cls.reference, max_steps=cls.steps)
        assert result.exit_code == 0, result.output

    def setUp(self):
        self.output = self.directory / self._testMethodName

    def assert_ends_well(self, process, timeout_seconds=120):
        """process: a background.Program of the test. Returns its output."""
        output, _ = process.finish(0, timeout_seconds=timeout_seconds)
        runs.assert_equal_results(self, self.output, self.reference, self.steps)
        return output
