"""`launcher run`: what ends a training from outside is mended by a restart, ends in the same bytes, and leaves nothing behind."""
import fcntl
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS = 20


class ARun(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-launcher-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.output = self.directory / "run"

    def start(self, *options, launcher=programs.BUILD / "bin/launcher", launcher_options=(), ranks=2, before=(),
              output=subprocess.PIPE, **more):
        process = subprocess.Popen([*before, launcher, "run", "--np", str(ranks), "--first-pause", "0.2", *launcher_options, "--", *map(str, options)],
                                   stdout=output, stderr=subprocess.STDOUT, text=True, **more)
        self.addCleanup(runs.end, process, self.output)
        return process

    def finish(self, process, exit_code, timeout_seconds=240):
        output, _ = process.communicate(timeout=timeout_seconds)
        self.assertEqual(process.returncode, exit_code, output)
        self.assertEqual(runs.processes_of(self.output), {}, "nothing may be left alive")
        return output

    def attempts(self):
        return [json.loads(line) for line in (self.output / "attempts.jsonl").read_text().splitlines()]

    def wait_for_step(self, step, process):
        runs.wait_for(lambda: runs.last_step(self.output) >= step or process.poll() is not None, f"step {step}")
        if process.poll() is not None:
            self.fail(f"it ended too early: {process.communicate()[0]}")


class ATraining(ARun):
    """The real trainer on the small model."""

    @classmethod
    def setUpClass(cls):
        cls.reference = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-launcher-reference-"))
        cls.addClassCleanup(shutil.rmtree, cls.reference)
        result = programs.train(cls.reference, max_steps=STEPS, timeout_seconds=240)
        assert result.exit_code == 0, result.output

    def options(self, **more):
        return programs.train_options(self.output, **{"max_steps": STEPS, "checkpoint_every": 2, **more})

    def assert_equals_the_reference(self):
        runs.assert_equal_results(self, self.output, self.reference, STEPS)

    def test_goes_on_after_kill_9_of_a_rank_and_ends_in_the_same_bytes(self):
        process = self.start(*self.options())
        self.wait_for_step(5, process)
        os.kill(runs.processes_of(self.output, "trainer")[1], signal.SIGKILL)
        killed_at = time.time()
        self.finish(process, 0)
        first, second = self.attempts()
        self.assertEqual((first["exit_code"], second["exit_code"]), (programs.KILLED, 0))
        self.assertGreaterEqual(second["first_step"], 4)
        self.assertEqual(second["attempt"], 2)
        self.assert_equals_the_reference()
        print(f"a killed rank ended the job after {runs.seconds_since(killed_at, first['end']):.1f} s; the next attempt started after "
              f"{runs.seconds_since(killed_at, second['start']):.1f} s and lost {first['step'] - second['first_step']} steps")

    def test_ends_everything_at_once_on_int_quit_and_term_that_does_not_save_and_goes_on_when_started_again(self):
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
            shutil.rmtree(self.output, ignore_errors=True)
            process = self.start(*self.options(term_saves="off"))
            self.wait_for_step(3, process)
            process.send_signal(number)
            asked_at = time.monotonic()
            self.finish(process, 128 + number)
            self.assertLess(time.monotonic() - asked_at, 15)
        self.finish(self.start(*self.options(), ranks=1), 0)
        self.assert_equals_the_reference()

    def test_saves_and_leaves_on_usr1_term_and_hup_without_losing_a_step(self):
        for number in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP):
            process = self.start(*self.options())
            self.wait_for_step(runs.last_step(self.output) + 3, process)
            process.send_signal(number)
            asked_at = time.monotonic()
            self.finish(process, programs.STOPPED)
            self.assertLess(time.monotonic() - asked_at, 15)
            attempt = self.attempts()[-1]
            self.assertEqual(attempt["step"], attempt["checkpoint_step"], "no step may be lost")
        self.finish(self.start(*self.options()), 0)
        self.assert_equals_the_reference()

    def test_is_not_ended_by_a_hangup_under_nohup(self):
        process = self.start(*self.options(), before=["nohup"])
        self.wait_for_step(3, process)
        process.send_signal(signal.SIGHUP)
        self.finish(process, 0)
        self.assertEqual(len(self.attempts()), 1)
        self.assert_equals_the_reference()

    def test_outlives_the_reader_of_its_output(self):
        """mpirun gives its ranks up at the second line that nobody reads."""
        process = self.start(*self.options(max_steps=60))
        process.stdout.readline()
        self.wait_for_step(3, process)
        process.stdout.close()
        process.stdout = None
        os.kill(runs.processes_of(self.output, "trainer")[1], signal.SIGKILL)
        self.assertEqual(process.wait(timeout=120), 0)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()], [programs.KILLED, 0])

    def test_goes_on_while_nobody_reads_its_output_or_its_terminal_is_stopped(self):
        reader, writer = os.pipe()
        fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
        self.addCleanup(os.close, reader)
        process = self.start(*self.options(max_steps=60, step_timeout=3), output=writer)
        os.close(writer)
        self.assertEqual(process.wait(timeout=120), 0)
        self.assertEqual(runs.last_step(self.output), 60)

    def test_is_not_stopped_for_writing_in_the_background_of_a_terminal(self):
        """`stty tostop`: a terminal stops who writes to it in the background, and mpirun is no job of the shell."""
        reader, writer = pty.openpty()
        self.addCleanup(os.close, reader)
        settings = termios.tcgetattr(writer)
        settings[3] |= termios.TOSTOP
        termios.tcsetattr(writer, termios.TCSANOW, settings)
        process = self.start(*self.options(), output=writer, preexec_fn=lambda: fcntl.ioctl(writer, termios.TIOCSCTTY, 0),
                             start_new_session=True)
        os.close(writer)
        self.assertEqual(process.wait(timeout=120), 0)
        self.assert_equals_the_reference()

    def test_refuses_a_second_launcher_and_a_trainer_on_the_same_directory(self):
        process = self.start(*self.options(max_steps=5000), ranks=1)  # which does not end by itself meanwhile
        self.wait_for_step(1, process)
        second = self.start(*self.options())
        output, _ = second.communicate(timeout=60)
        self.assertEqual(second.returncode, programs.MISMATCH, output)
        self.assertIn(f"held by launcher, process {process.pid}", output)
        by_hand = programs.run("trainer", *self.options())
        self.assertEqual(by_hand.exit_code, programs.MISMATCH, by_hand.output)
        self.assertIn("held by trainer", by_hand.output)
        self.wait_for_step(runs.last_step(self.output) + 2, process)  # the first goes on undisturbed
        process.send_signal(signal.SIGTERM)
        self.finish(process, programs.STOPPED)
        self.assertEqual([attempt["attempt"] for attempt in self.attempts()], [1])

    def test_leaves_no_rank_behind_when_the_launcher_itself_is_killed(self):
        process = self.start(*self.options(max_steps=5000))
        self.wait_for_step(3, process)
        process.kill()
        killed_at = time.monotonic()
        runs.wait_for(lambda: not runs.processes_of(self.output), "an end of the ranks", timeout_seconds=15)
        print(f"the ranks of a killed launcher were gone after {time.monotonic() - killed_at:.1f} s")

    def test_leaves_no_rank_behind_when_launcher_and_mpirun_are_killed_and_goes_on(self):
        process = self.start(*self.options())
        self.wait_for_step(3, process)
        mpirun = runs.processes_of(self.output, "mpirun")
        for pid in mpirun:
            os.kill(pid, signal.SIGSTOP)  # so that it cannot act on the launcher's death
        process.kill()
        for pid in mpirun:
            os.kill(pid, signal.SIGKILL)
        runs.wait_for(lambda: not runs.processes_of(self.output), "an end of the ranks", timeout_seconds=15)
        self.finish(self.start(*self.options()), 0)
        self.assert_equals_the_reference()

    def test_does_not_repeat_bad_data(self):
        data = self.directory / "data"
        shutil.copytree(programs.TINY_CACHE, data)
        shard = next(data.glob("shard-*.h5"))
        content = bytearray(shard.read_bytes())
        content[len(content) // 2] ^= 1
        shard.write_bytes(content)
        self.finish(self.start(*self.options(data=data)), programs.BAD_DATA)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()], [programs.BAD_DATA])

    def test_refuses_a_misspelt_option_before_it_starts_anything(self):
        output = self.finish(self.start(*self.options(), "--learnig-rate", 1), programs.USAGE)
        self.assertIn("did you mean --learning-rate?", output)
        self.assertFalse(self.output.exists())


class AStandIn(ARun):
    """A script in the trainer's place fails in ways and at times that a training cannot be brought to on demand."""

    def start_script(self, script, *launcher_options, options=()):
        folder = self.directory / "bin"
        folder.mkdir()
        shutil.copy(programs.BUILD / "bin/launcher", folder)
        (folder / "trainer").write_text(f"#!/bin/bash\noutput={self.output}\n{script}\n")
        (folder / "trainer").chmod(0o755)
        return self.start("--model", "m", "--data", "d", "--output", self.output, *options, launcher=folder / "launcher",
                          launcher_options=launcher_options, ranks=1)

    def test_that_fails_twice_at_the_same_step_is_given_up_with_the_reason(self):
        output = self.finish(self.start_script("echo '{\"step\":7}' > $output/metrics.jsonl; kill -9 $$"), programs.KILLED)
        self.assertIn("2 attempts in a row failed alike after step 7 (exit code 137)", output)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()], [programs.KILLED] * 2)
        self.assertIn("restart in", self.attempts()[0]["next"])

    def test_that_never_gets_to_a_checkpoint_is_given_up_after_the_last_restart(self):
        output = self.finish(self.start_script("echo \"{\\\"step\\\":$SDLORA_RUN_ATTEMPT}\" > $output/metrics.jsonl; exit 70",
                                               "--max-restarts", "2"), programs.INTERNAL)
        self.assertIn("2 restarts in a row brought no newer checkpoint", output)
        self.assertEqual([attempt["step"] for attempt in self.attempts()], [1, 2, 3])

    def test_that_outlived_a_dead_attempt_is_cleared_away_first(self):
        leftover = subprocess.Popen(["sleep", "600"], env=dict(os.environ, SDLORA_RUN=str(self.output)))
        self.addCleanup(leftover.kill)
        output = self.finish(self.start_script("exit 0"), 0)
        self.assertIn("1 processes of a dead attempt were still alive: killed", output)
        self.assertEqual(leftover.wait(timeout=10), -signal.SIGKILL)

    def test_that_must_not_be_repeated_is_not(self):
        for exit_code in (programs.USAGE, programs.DIVERGED, programs.MISMATCH):
            with self.subTest(exit_code=exit_code):
                shutil.rmtree(self.directory / "bin", ignore_errors=True)
                shutil.rmtree(self.output, ignore_errors=True)
                self.finish(self.start_script(f"exit {exit_code}"), exit_code)
                self.assertEqual(len(self.attempts()), 1)

    def test_shows_no_sign_of_life_is_ended_and_started_again(self):
        script = "(( SDLORA_RUN_ATTEMPT == 1 )) && { trap '' TERM; sleep 600; }; exit 0"
        output = self.finish(self.start_script(script, "--stall-timeout", "2"), 0)
        self.assertIn("no change in", output)
        self.assertEqual(len(self.attempts()), 2)

    def test_dies_of_usr1_before_it_listens_counts_as_stopped(self):
        process = self.start_script("echo on > $output/log.txt; sleep 600")
        runs.wait_for(lambda: (self.output / "log.txt").exists(), "a start")
        process.send_signal(signal.SIGUSR1)
        self.finish(process, programs.STOPPED)
        self.assertEqual(len(self.attempts()), 1)

    def test_does_not_listen_is_killed_at_the_second_interrupt(self):
        process = self.start_script("trap '' TERM INT HUP; echo on > $output/log.txt; sleep 600 & wait; sleep 600")
        runs.wait_for(lambda: (self.output / "log.txt").exists(), "a start")
        for number in (signal.SIGINT, signal.SIGINT):
            process.send_signal(number)
            asked_at = time.monotonic()
            time.sleep(0.2)
        self.finish(process, 128 + signal.SIGINT)
        self.assertLess(time.monotonic() - asked_at, 5)
        print(f"a second interrupt ended everything after {time.monotonic() - asked_at:.1f} s")

    def test_that_does_not_save_at_a_term_is_ended_when_the_grace_is_over_or_at_a_second_one(self):
        script = "trap '' TERM USR1; echo on > $output/log.txt; sleep 600 & wait; sleep 600"
        for grace, terms in ((1, 1), (600, 2)):
            with self.subTest(grace=grace, terms=terms):
                shutil.rmtree(self.directory / "bin", ignore_errors=True)
                shutil.rmtree(self.output, ignore_errors=True)
                process = self.start_script(script, "--grace", str(grace))
                runs.wait_for(lambda: (self.output / "log.txt").exists(), "a start")
                for _ in range(terms):
                    process.send_signal(signal.SIGTERM)
                    time.sleep(0.3)  # what follows sooner counts as the same request
                self.finish(process, 128 + signal.SIGTERM, timeout_seconds=20)

    def test_that_is_stalled_and_saves_as_it_is_ended_is_started_again(self):
        """Nobody asked the run to stop, so its 75 does not end it."""
        script = "(( SDLORA_RUN_ATTEMPT == 1 )) && { trap 'exit 75' TERM; sleep 600 & wait; }; sleep 1.5; exit 0"
        self.finish(self.start_script(script, "--stall-timeout", "2"), 0)
        self.assertEqual([attempt["exit_code"] for attempt in self.attempts()][-1], 0)
        self.assertEqual(len(self.attempts()), 2)

    def test_is_stopped_together_with_its_ranks_and_is_not_stalled(self):
        """As Slurm's gang scheduling and a frozen container do."""
        process = self.start_script("for (( i = 0; i < 30; ++i )); do echo $i > $output/log.txt; sleep 0.1; done; exit 0",
                                    "--stall-timeout", "2")
        runs.wait_for(lambda: (self.output / "log.txt").exists(), "a start")
        everything = [*runs.processes_of(self.output), process.pid]
        for pid in everything:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(3)  # more than the stall timeout
        for pid in everything:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass  # a `sleep` whose end was due
        output = self.finish(process, 0)
        self.assertNotIn("no change in", output)
        self.assertEqual(len(self.attempts()), 1)

    def test_is_not_started_again_when_a_signal_comes_during_the_pause(self):
        process = self.start_script("exit 74")  # a pause of five to ten seconds
        runs.wait_for(lambda: (self.output / "attempts.jsonl").exists(), "a first attempt")
        process.send_signal(signal.SIGUSR2)
        self.finish(process, programs.STOPPED)
        self.assertEqual(len(self.attempts()), 1)

    def test_was_told_not_to_resume_resumes_after_a_restart(self):
        self.finish(self.start_script("echo \"$*\" >> $output/options.txt; exit $(( SDLORA_RUN_ATTEMPT == 1 ? 70 : 0 ))",
                                      options=("--resume", "none")), 0)
        first, second = (self.output / "options.txt").read_text().splitlines()
        self.assertIn("--resume none", first)
        self.assertIn("--resume auto", second)


class AStart(ARun):
    def test_of_which_the_ranks_show_no_life_is_ended_and_given_up_in_time(self):
        never = self.directory / "agent.sh"  # as ssh that waits for a password
        never.write_text("#!/bin/bash\nsleep 1000\n")
        never.chmod(0o755)
        hosts = self.directory / "hosts.txt"
        hosts.write_text("192.0.2.7 slots=2\n")
        environment = dict(os.environ, OMPI_MCA_plm="rsh", OMPI_MCA_plm_rsh_agent=str(never))
        process = self.start(*programs.train_options(self.output, startup_timeout=2), env=environment,
                             launcher_options=("--hosts", hosts, "--max-restarts", "0"))
        output = self.finish(process, process.wait(timeout=90))
        self.assertNotEqual(process.returncode, 0)
        self.assertIn("no sign of life from the ranks for 22 s", output)

    def test_where_openmp_binds_threads_gives_every_rank_all_cores(self):
        cores = sorted(os.sched_getaffinity(0))
        for variable in ("OMP_PROC_BIND=true", f"GOMP_CPU_AFFINITY={cores[0]}-{cores[-1]}"):
            with self.subTest(variable=variable):
                name, value = variable.split("=")
                process = self.start(*programs.train_options(self.output, max_steps=2), env=dict(os.environ, **{name: value}))
                output = self.finish(process, 0)
                self.assertIn(f"{variable} is not obeyed", output)
                hosts = re.search(r"hosts +.*2 ranks: 1 thread on cores? ([-,\d]+)", output)
                self.assertTrue(hosts, output)
                self.assertEqual(len(re.findall(r"\d+", hosts[1])), min(2, len(cores)), hosts[0])
                shutil.rmtree(self.output)

    def test_with_the_variables_of_a_slurm_job_that_is_none_is_made_by_mpirun(self):
        environment = dict(os.environ, SLURM_JOB_ID="99999999", SLURM_NTASKS="2")
        process = self.start(*programs.train_options(self.output, max_steps=2), env=environment)
        output = self.finish(process, 0)
        self.assertIn("SLURM_JOB_ID=99999999 is not heeded", output)
        self.assertIn("by mpirun", output)


class Doctor(unittest.TestCase):
    def test_tells_what_is_here(self):
        result = programs.run("launcher", "doctor", "--output", tempfile.gettempdir())
        self.assertEqual(result.exit_code, 0, result.output)
        for topic in ("cores", "GiB", "Open MPI", "LibTorch 2.", "HDF5 1.", "free", "open files", "network", "/dev/shm", "Slurm", "Training can start here."):
            self.assertIn(topic, result.output)

    def test_says_when_mpirun_or_the_directory_is_missing(self):
        result = subprocess.run([programs.BUILD / "bin/launcher", "doctor", "--output", "/no/such/place"], env={"PATH": "/nowhere"},
                                stdout=subprocess.PIPE, text=True)
        self.assertEqual(result.returncode, programs.MISMATCH, result.stdout)
        self.assertIn("mpirun is not in PATH", result.stdout)
        self.assertIn("/no/such/place: No such file or directory", result.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
