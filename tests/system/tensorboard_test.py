"""The event files of --tensorboard, read by TensorBoard's own reader: what a run shows, and that an interruption doubles nothing."""
import io
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import PIL.Image
from tensorboard.backend.event_processing import tag_types
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs
import runs

STEPS = 8
PROMPTS = ["a red circle on grass", "ein grünes Dreieck"]
FIELD_OF_TAG = {"train/loss": "loss", "train/gradient_norm": "grad_norm", "train/learning_rate": "learning_rate",
                "train/samples_per_second": "samples_per_second"}
VALIDATION_TAGS = {"validation/loss": "validation_loss", **{f"validation/loss_q{q}": f"validation_loss_q{q}" for q in range(1, 5)}}


def as_float32(value):
    return struct.unpack("<f", struct.pack("<f", value))[0]


class EventFiles(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-tensorboard-"))
        self.addCleanup(shutil.rmtree, self.directory)
        self.run_directory = self.directory / "run"
        prompts = self.directory / "prompts.txt"
        prompts.write_text("\n".join(PROMPTS))
        options = programs.train_options(self.run_directory, max_steps=STEPS, checkpoint_every=2, validation_every=4, validation_split=0.2,
                                         preview_every=8, preview_prompts=prompts, preview_steps=2)
        self.options = [*options, "--tensorboard"]

    def read(self):
        """All events, none thinned out."""
        events = EventAccumulator(str(self.run_directory / "tensorboard"), size_guidance={tag_types.SCALARS: 0, tag_types.IMAGES: 0})
        return events.Reload()

    def assert_holds_the_run(self, events):
        records = runs.records_of(self.run_directory)
        for tag, field in {**FIELD_OF_TAG, **VALIDATION_TAGS}.items():
            expected = [(record["step"], as_float32(record[field])) for record in records if field in record]
            self.assertEqual([(event.step, event.value) for event in events.Scalars(tag)], expected, tag)

    def test_hold_curves_and_previews(self):
        result = programs.run("trainer", *self.options, ranks=2)
        self.assertEqual(result.exit_code, 0, result.output)
        events = self.read()
        self.assert_holds_the_run(events)
        losses = [event.value for event in events.Scalars("train/loss")]
        smoothed = [event.value for event in events.Scalars("train/smoothed_loss")]
        self.assertEqual(smoothed[0], losses[0])
        self.assertTrue(all(min(losses) <= value <= max(losses) for value in smoothed))
        self.assertEqual(sorted(events.Tags()["images"]), [f"preview/{number:02} {prompt}" for number, prompt in enumerate(PROMPTS)])
        for number, prompt in enumerate(PROMPTS):
            pictures = events.Images(f"preview/{number:02} {prompt}")
            self.assertEqual([picture.step for picture in pictures], [0, 8])
            for picture in pictures:
                self.assertEqual(picture.encoded_image_string,
                                 (self.run_directory / f"previews/step-{picture.step:06}/{number:02}.png").read_bytes())
                self.assertEqual(PIL.Image.open(io.BytesIO(picture.encoded_image_string)).size, (picture.width, picture.height))

    def test_hold_each_step_once_after_kill_9(self):
        process = subprocess.Popen(programs.command("trainer", *self.options), env=programs.ENVIRONMENT, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        runs.wait_for(lambda: runs.last_step(self.run_directory) >= 6, "step 5")  # a line more, for step 0
        process.kill()
        process.wait()
        [first_file] = (self.run_directory / "tensorboard").iterdir()
        first_file.write_bytes(first_file.read_bytes() + b"\x20\0\0")  # as if it had died in the middle of a record
        result = programs.run("trainer", *self.options, ranks=2)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("resuming after step", result.output)
        self.assertEqual(len(list((self.run_directory / "tensorboard").iterdir())), 2)
        self.assert_holds_the_run(self.read())

    def test_that_cannot_be_written_do_not_end_the_run(self):
        self.run_directory.mkdir()
        (self.run_directory / "tensorboard").write_text("a file where the folder should be")
        result = programs.run("trainer", *self.options)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(result.output.count("TensorBoard gets no more events, training goes on"), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
