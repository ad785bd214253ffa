"""Signals. USR1, USR2, TERM and HUP: every rank saves and leaves after the same step with 75, whatever it is doing, and no work is lost.
INT, QUIT, and TERM and HUP where they shall not save: it ends now, and the newest checkpoint is whole. Whatever came, the run ends in the
same bytes."""
import pathlib
import os
import random
import re
import shutil
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
SEED = 5


class ASignal(reference_run.ReferenceRun):
    steps = STEPS

    def start(self, ranks=2, **more):
        options = programs.train_options(self.output, **{"max_steps": STEPS, **more})
        return background.Program(self, programs.command("trainer", *options, ranks=ranks))

    def assert_stopped_without_loss(self, process):
        output, seconds = process.finish(programs.STOPPED)
        step = int(re.search(r"stopped by a signal after step (\d+)", output).group(1))
        self.assertEqual(runs.last_step(self.output), step)
        self.assertTrue((self.output / f"checkpoint-step-{step}").is_dir(), "no step may be lost")
        return step, seconds

    def assert_ends_in_the_same_bytes(self, **more):
        return self.assert_ends_well(self.start(**more))


class USR1(ASignal):
    def test_while_the_run_starts_stops_it_after_its_first_step(self):
        process = self.start()
        process.wait_for((self.output / "log.txt").exists, "a log, which is opened before the model is loaded")
        process.send(signal.SIGUSR1)
        step, _ = self.assert_stopped_without_loss(process)
        self.assertEqual(step, 1)
        self.assert_ends_in_the_same_bytes()

    def test_before_mpi_is_up_is_remembered(self):
        """By a rank that listens already; the one that does not dies, which `launcher run` counts as stopped."""
        process = self.start(ranks=1)
        process.wait_for(lambda: process.ranks(), "a rank")
        [rank] = process.ranks()

        def listens():
            caught = re.search(r"SigCgt:\s*([0-9a-f]+)", pathlib.Path(f"/proc/{rank}/status").read_text()).group(1)
            return int(caught, 16) & 1 << (signal.SIGUSR1 - 1)

        process.wait_for(listens, "a handler of USR1")
        os.kill(rank, signal.SIGUSR1)
        step, _ = self.assert_stopped_without_loss(process)
        self.assertEqual(step, 1)

    def test_to_one_rank_stops_all_after_the_same_step(self):
        process = self.start(ranks=3, batch_size=6)
        process.wait_for_step(self.output, 2)
        os.kill(process.ranks()[1], signal.SIGUSR1)
        step, seconds = self.assert_stopped_without_loss(process)
        print(f"USR1 to one of three ranks: all left after step {step}, {seconds:.1f} s later, 0 steps lost")

    def test_to_all_ranks_twice_is_as_good_as_once(self):
        process = self.start()
        process.wait_for_step(self.output, 2)
        process.send(signal.SIGUSR1)
        time.sleep(0.01)
        process.send(signal.SIGUSR2)
        self.assert_stopped_without_loss(process)
        self.assert_ends_in_the_same_bytes(ranks=1)

    def test_during_a_preview_does_not_wait_for_it(self):
        prompts = self.directory / "prompts.txt"
        prompts.write_text("a red circle\n" * 4)
        previews = {"preview_every": 4, "preview_prompts": prompts, "preview_steps": 200}
        process = self.start(**previews)
        drawing = self.output / "previews"
        process.wait_for(lambda: drawing.exists(), "a preview that has begun")
        process.send(signal.SIGUSR1)
        _, seconds = process.finish(programs.STOPPED)
        self.assertLess(seconds, 15)
        print(f"USR1 during a preview: left after {seconds:.1f} s")
        previews["preview_steps"] = 2
        process = self.start(**previews)
        process.finish(0)
        runs.assert_equal_results(self, self.output, self.reference, STEPS)

    def test_while_latents_are_cached_keeps_what_is_encoded(self):
        pictures = f"{programs.TINY_CACHE}-pictures"
        many = self.directory / "pictures"
        many.mkdir()
        for copy in range(12):
            for file in pathlib.Path(pictures).iterdir():
                if file.suffix in (".png", ".jpg", ".txt"):
                    (many / f"{copy:02}-{file.name}").symlink_to(file)
        options = ["--model", programs.TINY_MODEL, "--images", many, "--img-size", 64, "--cpu-threads", 1, "--shard-size", 100]
        undisturbed = self.directory / "cache"
        result = programs.run("cache_latents", *options, "--output", undisturbed)
        self.assertEqual(result.exit_code, 0, result.output)
        for number, ranks in ((signal.SIGUSR1, 2), (signal.SIGTERM, None)):
            with self.subTest(number.name):
                output = self.directory / number.name
                cache = background.Program(self, programs.command("cache_latents", *options, "--output", output, ranks=ranks))
                cache.wait_for(lambda: list(output.glob("*.h5")) or "encoding" in cache.output(), "pictures that are encoded")
                cache.send(number)
                said, seconds = cache.finish(programs.STOPPED)
                self.assertIn("run the same command again to go on", said)
                self.assertFalse((output / "manifest.json").exists(), "it is not finished")
                again = programs.run("cache_latents", *options, "--output", output)
                self.assertEqual(again.exit_code, 0, again.output)
                for file in undisturbed.iterdir():
                    if file.suffix in (".h5", ".json"):
                        self.assertEqual((output / file.name).read_bytes(), file.read_bytes(), file.name)
                print(f"{number.name} while caching: left after {seconds:.1f} s; the run that went on said: "
                      f"{again.output.strip().splitlines()[-1]}")


def catches(pid, number):
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    return bool(int(re.search(r"SigCgt:\s*([0-9a-f]+)", status).group(1), 16) & 1 << (number - 1))


class TERM(ASignal):
    def start_alone(self, *before, **more):
        """Without mpirun, which ends its ranks a second after it got a TERM. Returns the process and the trainer's id."""
        options = programs.train_options(self.output, **{"max_steps": STEPS, **more})
        process = background.Program(self, [*before, *programs.command("trainer", *options)])
        children = pathlib.Path(f"/proc/{process.process.pid}/task/{process.process.pid}/children")
        process.wait_for(lambda: not before or children.read_text().strip(), "a trainer")
        pid = int(children.read_text().split()[0]) if before else process.process.pid
        process.wait_for(lambda: catches(pid, signal.SIGTERM), "a handler of TERM")
        return process, pid

    def test_and_hup_save_and_leave_without_losing_a_step(self):
        for number in (signal.SIGTERM, signal.SIGHUP):
            process, pid = self.start_alone()
            process.wait_for_step(self.output, runs.last_step(self.output) + 2)
            os.kill(pid, number)
            step, seconds = self.assert_stopped_without_loss(process)
            print(f"{number.name}: left after step {step}, {seconds:.1f} s later, 0 steps lost")
        self.assert_ends_in_the_same_bytes()

    def test_while_the_run_starts_stops_it_after_its_first_step(self):
        process, pid = self.start_alone()
        os.kill(pid, signal.SIGTERM)
        step, _ = self.assert_stopped_without_loss(process)
        self.assertEqual(step, 1)

    def test_to_one_rank_of_mpirun_stops_all_after_the_same_step(self):
        process = self.start(ranks=3, batch_size=6)
        process.wait_for_step(self.output, 2)
        os.kill(process.ranks()[2], signal.SIGTERM)
        self.assert_stopped_without_loss(process)

    def test_to_mpirun_itself_saves_what_it_can_before_open_mpi_kills_the_ranks(self):
        """Open MPI 4.1 sends its ranks TERM after a second and kills them after another; here a step takes far less."""
        process = self.start(max_steps=5000)
        process.wait_for_step(self.output, 2)
        process.send(signal.SIGTERM)
        output, _ = process.finish(1)
        self.assertIn("stopped by a signal after step", output)
        self.assertTrue((self.output / f"checkpoint-step-{runs.last_step(self.output)}").is_dir(), "no step may be lost")

    def test_while_pictures_are_drawn_keeps_those_that_are_finished(self):
        for number in (signal.SIGTERM, signal.SIGUSR1):
            with self.subTest(number.name):
                pictures = self.directory / number.name
                process = background.Program(self, programs.command(
                    "generate", "--model", programs.TINY_MODEL, "--prompt", "a red circle", "--num-images", 12, "--steps", 100, "--width", 64,
                    "--height", 64, "--cpu-threads", 1, "--output", pictures / "picture.png"))
                process.wait_for(lambda: pictures.exists() and list(pictures.glob("*.png")), "a picture")
                process.send(number)
                output, _ = process.finish(programs.STOPPED)
                self.assertIn("the pictures that were finished are kept", output)
                finished = list(pictures.glob("*.png"))
                self.assertTrue(0 < len(finished) < 12, finished)
                self.assertTrue(all(file.read_bytes().endswith(b"IEND\xaeB`\x82") for file in finished))

    def test_during_validation_and_previews_does_not_wait_for_them(self):
        prompts = self.directory / "prompts.txt"
        prompts.write_text("a red circle\n" * 4)
        process, pid = self.start_alone(preview_every=4, preview_prompts=prompts, preview_steps=200, validation_every=4,
                                        validation_split="0.25")
        process.wait_for((self.output / "previews").exists, "a preview that has begun")
        os.kill(pid, signal.SIGTERM)
        _, seconds = process.finish(programs.STOPPED)
        self.assertLess(seconds, 15)

    def test_and_int_and_quit_are_heard_by_pid_1_as_in_a_container(self):
        in_a_container = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        for number, exit_code in ((signal.SIGINT, 130), (signal.SIGQUIT, 131), (signal.SIGHUP, programs.STOPPED),
                                  (signal.SIGTERM, programs.STOPPED)):
            with self.subTest(number.name):
                process, pid = self.start_alone(*in_a_container)
                process.wait_for_step(self.output, runs.last_step(self.output) + 1)
                os.kill(pid, number)
                process.finish(exit_code)
        self.assert_ends_in_the_same_bytes()

    def test_twice_ends_it_at_once(self):
        process, pid = self.start_alone(batch_size=1600)  # a step of half a minute, which the first TERM waits for
        process.wait_for_text("metrics ")
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.3)  # what follows sooner counts as the same request
        os.kill(pid, signal.SIGTERM)
        process.finish(-signal.SIGTERM)

    def test_from_a_scheduler_and_from_a_parent_that_passes_it_on_is_one(self):
        process, pid = self.start_alone()
        process.wait_for_step(self.output, 1)
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.02)  # signals that wait are one anyway
        os.kill(pid, signal.SIGTERM)
        self.assert_stopped_without_loss(process)

    def test_is_left_alone_where_it_shall_not_save_and_hup_where_the_parent_ignores_it(self):
        process, pid = self.start_alone(term_saves="off", checkpoint_every=1)
        process.wait_for_step(self.output, 2)
        os.kill(pid, signal.SIGTERM)
        process.finish(-signal.SIGTERM)
        process, pid = self.start_alone("bash", "-c", "trap '' HUP INT QUIT; \"$@\" & wait", "_")
        process.wait_for_step(self.output, runs.last_step(self.output) + 1)
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            os.kill(pid, number)
        self.assert_ends_well(process)


class INT(ASignal):
    def test_and_quit_and_term_that_does_not_save_at_random_times_end_it_at_once_and_leave_the_checkpoint_whole(self):
        """Nine ends of one run, at times drawn from a fixed seed; then it finishes."""
        chance = random.Random(SEED)
        slowest = 0
        for turn in range(9):
            process = self.start(ranks=1, checkpoint_every=1, term_saves="off")
            step = runs.last_step(self.output)
            if turn % 3:
                process.wait_for_step(self.output, min(step + 1, STEPS - 1))
            time.sleep(chance.uniform(0, 0.4))
            number = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT][turn // 3]
            for rank in process.ranks():
                os.kill(rank, number)
            asked_at = time.monotonic()
            process.finish(0, 1, 128 + number, -number)
            slowest = max(slowest, time.monotonic() - asked_at)
        self.assertLess(slowest, 10)
        self.assert_ends_in_the_same_bytes()
        print(f"9 ends by TERM, INT and QUIT: gone after at most {slowest:.1f} s, the same bytes in the end")


class ResumeFromAPath(ASignal):
    def test_goes_on_from_the_newest_when_it_is_repeated(self):
        first = self.directory / "first"
        result = programs.train(first, max_steps=STEPS, checkpoint_every=4)
        self.assertEqual(result.exit_code, 0, result.output)
        start = first / "checkpoint-step-4"
        process = self.start(ranks=1, resume=start, checkpoint_every=4)
        process.wait_for(lambda: (self.output / "checkpoint-step-12").is_dir(), "a checkpoint")
        process.send(signal.SIGKILL)
        for rank in process.ranks():
            os.kill(rank, signal.SIGKILL)
        output, _ = self.start(ranks=1, resume=start).finish(0)
        self.assertRegex(output, r"resuming after step (12|16|20|24) from .*goes_on_from_the_newest")
        for name in ("lora_weights.pt", f"checkpoint-step-{STEPS}/optimizer.safetensors"):
            self.assertEqual((self.output / name).read_bytes(), (self.reference / name).read_bytes(), name)
        shutil.rmtree(first)
        output, _ = self.start(ranks=1, resume=start).finish(0)
        self.assertIn("skipped a checkpoint", output)
        self.assertIn(f"resuming after step {STEPS}", output)


if __name__ == "__main__":
    unittest.main(verbosity=2)
