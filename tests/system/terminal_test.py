"""What a person sees of a run: a bar on a terminal, also a narrow one, plain lines in a pipe and under mpirun, tables, and the log files."""
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

LINE = re.compile(r"\d\d:\d\d:\d\d [IWE] ")


def all_from(reader):
    """What is written to a terminal or pipe until its last writer has left."""
    content = b""
    try:
        while chunk := os.read(reader, 65536):
            content += chunk
    except OSError:  # as a terminal says that nobody writes to it any more
        pass
    return content.decode()


def on_a_terminal(columns, *words):
    """Runs a command with a terminal as its standard error; returns what it wrote there."""
    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(words, env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=writer)
    os.close(writer)
    content = all_from(reader)
    os.close(reader)
    assert process.wait() == 0, content
    return content


def screen_lines(content):
    """The lines a terminal shows: a carriage return with an erased line begins it anew."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", content)
    return [line.split("\r\x1b[K")[-1] for line in plain.replace("\r\n", "\n").split("\n")]


class TestOfARun(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-terminal-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.run_directory = self.directory / "run"

    def train(self, ranks=None, **options):
        result = programs.train(self.run_directory, ranks=ranks, **options)
        self.assertEqual(result.exit_code, 0, result.output)
        return result.output


class OnATerminal(TestOfARun):
    def contents(self, columns):
        return on_a_terminal(columns, *programs.command("trainer", *programs.train_options(self.run_directory)))

    def test_there_is_a_bar_with_loss_rate_and_time_left(self):
        frames = [frame.split("\r\n")[0] for frame in self.contents(120).split("\r\x1b[K") if frame.startswith("training")]
        self.assertTrue(any(re.search(r"\d/6 step .* step/s .* left  loss \d\.\d+", frame) for frame in frames), frames)
        self.assertIn("6/6 step", frames[-1])

    def test_the_bar_fits_forty_columns(self):
        frames = [frame.split("\r\n")[0] for frame in self.contents(40).split("\r\x1b[K") if "/6 step" in frame]
        self.assertTrue(frames)
        for frame in frames:
            self.assertLess(len(frame), 40)

    def test_lines_of_the_log_do_not_cut_through_the_bar(self):
        for line in screen_lines(self.contents(100)):
            if "training" in line and "/6 step" in line:
                self.assertTrue(line.startswith("training"), line)
            elif line:
                self.assertRegex(line, LINE)

    def test_the_log_file_has_plain_lines(self):
        self.contents(100)
        self.assertIn("training: 6/6 step (100 %)", (self.run_directory / "log.txt").read_text())


class ThatTakesNothing(TestOfARun):
    """Ctrl-S, an unread `| less`, a reader that is gone: the training goes on, and log.txt has every line first."""
    STEPS = 400
    STEP_TIMEOUT = 3

    def start(self, terminal, **more):
        options = programs.train_options(self.run_directory, max_steps=self.STEPS, step_timeout=self.STEP_TIMEOUT, **more)
        process = subprocess.Popen(programs.command("trainer", *options), env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=terminal)
        self.addCleanup(process.kill)
        os.close(terminal)
        return process

    def log(self):
        return (self.run_directory / "log.txt").read_text()

    def test_stands_still_for_longer_than_the_step_timeout_and_goes_on(self):
        reader, writer = pty.openpty()
        self.addCleanup(os.close, reader)
        process = self.start(os.dup(writer))
        runs.wait_for(lambda: runs.last_step(self.run_directory) > 5, "steps")
        termios.tcflow(writer, termios.TCOOFF)  # as Ctrl-S
        stopped_at = runs.last_step(self.run_directory)
        time.sleep(self.STEP_TIMEOUT + 2)
        self.assertIsNone(process.poll(), self.log())
        self.assertGreater(runs.last_step(self.run_directory), stopped_at + 10)
        termios.tcflow(writer, termios.TCOON)
        os.close(writer)
        seen = all_from(reader)
        self.assertEqual(process.wait(timeout=60), 0, seen)
        self.assertIn(f"training: {self.STEPS}/{self.STEPS} step (100 %)", self.log())
        self.assertIn(f"{self.STEPS}/{self.STEPS} step", seen)

    def test_stays_stopped_and_the_run_ends_all_the_same(self):
        reader, writer = pty.openpty()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        process = self.start(os.dup(writer))
        runs.wait_for(lambda: runs.last_step(self.run_directory) > 5, "steps")
        termios.tcflow(writer, termios.TCOOFF)
        process.send_signal(signal.SIGUSR1)
        asked_at = time.monotonic()
        self.assertEqual(process.wait(timeout=60), programs.STOPPED)
        self.assertLess(time.monotonic() - asked_at, 15)
        self.assertIn("stopped by a signal after step", self.log())

    def test_is_a_full_pipe_that_is_read_in_the_end(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.addCleanup(os.close, reader)
        process = self.start(writer, log_format="json")
        runs.wait_for(lambda: runs.last_step(self.run_directory) >= 50, "steps that nobody reads of")
        process.send_signal(signal.SIGUSR1)
        seen = all_from(reader)
        self.assertEqual(process.wait(timeout=60), programs.STOPPED, seen)
        for line in self.log().splitlines():
            self.assertIn(json.loads(line)["message"], [json.loads(seen_line)["message"] for seen_line in seen.splitlines()])

    def test_is_a_pipe_whose_reader_is_gone(self):
        reader, writer = os.pipe()
        process = self.start(writer)
        os.read(reader, 10)
        os.close(reader)
        self.assertEqual(process.wait(timeout=60), 0)
        self.assertIn(f"training: {self.STEPS}/{self.STEPS} step (100 %)", self.log())

    def test_is_closed_and_no_file_of_the_run_takes_its_place(self):
        words = programs.command("trainer", *programs.train_options(self.run_directory))
        for closing in ("2>&-", "0<&- 1>&- 2>&-"):
            with self.subTest(closing):
                result = subprocess.run(["bash", "-c", f'"$@" {closing}', "_", *words], env=programs.ENVIRONMENT)
                self.assertEqual(result.returncode, 0)
                for file in self.run_directory.glob("**/*"):
                    if file.name != "log.txt" and file.is_file():
                        self.assertNotIn(b" I model  ", file.read_bytes(), file)
                shutil.rmtree(self.run_directory)


class InAPipe(TestOfARun):
    def test_there_are_plain_lines_with_time_and_level(self):
        output = self.train()
        self.assertNotIn("\r", output)
        self.assertNotIn("\x1b", output)
        for line in output.splitlines():
            self.assertRegex(line, LINE)
        self.assertIn("training: 6/6 step (100 %)", output)

    def test_only_rank_zero_speaks_and_every_rank_has_a_file(self):
        output = self.train(ranks=2)
        self.assertIn("I [rank 0] ", output)
        self.assertNotIn("[rank 1]", output)
        self.assertEqual(output.count("training: 6/6 step"), 1)
        self.assertTrue((self.run_directory / "log.txt").exists())
        self.assertTrue((self.run_directory / "log-rank-1.txt").exists())

    def test_json_lines_on_request(self):
        output = self.train(log_format="json")
        for text in (output, (self.run_directory / "log.txt").read_text()):
            lines = [json.loads(line) for line in text.splitlines()]
            for line in lines:
                self.assertEqual(set(line), {"time", "level", "rank", "message"})
            self.assertTrue(any(line["message"].startswith("training: 6/6 step") for line in lines))


class TheTables(TestOfARun):
    def facts(self, output):
        """The text of each first line, by name."""
        lines = [line.split("] ", 1)[1] for line in output.splitlines() if "I [rank 0] " in line]
        return dict(re.match(r"(\w+) {2,}(.*)", line).groups() for line in lines if re.match(r"\w+ {2,}\S", line))

    def test_say_what_the_run_is_and_what_it_was(self):
        facts = self.facts(self.train(ranks=2))
        self.assertIn(str(programs.TINY_MODEL), facts["model"])
        self.assertIn("24 samples", facts["data"])
        self.assertIn("rank 16", facts["LoRA"])
        self.assertEqual(facts["batch"], "4 samples per step = 2 rank(s) × 2 micro-batch(es) of 1")
        self.assertEqual(facts["precision"],
                         "fp32 (frozen model), fp32 (adapter, gradients, optimiser); reduction exact")
        self.assertIn("2 rank(s) on cpu", facts["devices"])
        self.assertRegex(facts["hosts"], r"\(2 ranks: 1 thread on cores? [0-9,-]+")
        self.assertIn("in 6 steps", facts["time"])
        self.assertRegex(facts["speed"], r"\d samples/s over all ranks")
        self.assertRegex(facts["loss"], r"best \d\.\d+ after step \d")
        self.assertEqual(facts["skipped"], "no step")
        self.assertEqual(facts["files"], str(self.run_directory))


if __name__ == "__main__":
    unittest.main(verbosity=2)
