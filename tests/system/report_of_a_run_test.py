"""Previews and report.html of whole runs, on the small model."""
import base64
import html.parser
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "support"))
import programs

STEPS = 8
PROMPTS = ["a red circle on grass", "a blue <b>square</b> & a \"pier\"", "ein grünes Dreieck"]


class Page(html.parser.HTMLParser):
    """The data in a report, and everything a browser would load from elsewhere."""

    def __init__(self, file):
        super().__init__()
        self.data, self.loads, self.is_data = "", [], False
        self.text = file.read_text()
        self.feed(self.text)
        self.data = json.loads(self.data)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.is_data = attributes.get("id") == "report-data"
        for name in ("src", "href", "srcset", "data", "poster", "action"):
            if name in attributes and not (attributes[name] or "").startswith("data:"):
                self.loads.append((tag, attributes[name]))

    def handle_data(self, data):
        if self.is_data:
            self.data += data

    def handle_endtag(self, tag):
        self.is_data = False


class PreviewsAndReport(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-report-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.prompts = cls.directory / "prompts.txt"
        cls.prompts.write_text("# what to look at\n" + "\n".join(PROMPTS) + "\n")
        cls.run_on_two = cls.directory / "two-ranks"
        result = cls.train_to(cls.run_on_two, ranks=2)
        assert result.exit_code == 0, result.output

    @classmethod
    def options(cls, **options):
        return {"max_steps": STEPS, "checkpoint_every": 4, "preview_every": 3, "preview_prompts": cls.prompts, "preview_steps": 3,
                "validation_every": 4, "validation_split": 0.2, **options}

    @classmethod
    def train_to(cls, run, ranks=None, **options):
        return programs.train(run, ranks=ranks, **cls.options(**options))

    def run_directory(self):
        return self.directory / self._testMethodName

    def pictures(self, run):
        return {str(file.relative_to(run)): file.read_bytes() for file in sorted((run / "previews").rglob("*.png"))}

    def test_previews_come_before_the_first_step_every_few_and_at_the_end(self):
        self.assertEqual(sorted(self.pictures(self.run_on_two)), [f"previews/step-{step:06}/{prompt:02}.png" for step in (0, 3, 6, 8) for prompt in range(3)])
        for content in self.pictures(self.run_on_two).values():
            self.assertTrue(content.startswith(b"\x89PNG"))

    def test_neither_previews_nor_report_touch_the_adapter(self):
        run = self.run_directory()
        result = programs.train(run, max_steps=STEPS, checkpoint_every=4, validation_split=0.2)
        self.assertEqual(result.exit_code, 0, result.output)
        for name in ("lora_weights.pt", f"checkpoint-step-{STEPS}/optimizer.safetensors"):
            self.assertEqual((run / name).read_bytes(), (self.run_on_two / name).read_bytes(), name)

    def test_one_rank_draws_the_same_pictures(self):
        run = self.run_directory()
        result = self.train_to(run)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertEqual(self.pictures(run), self.pictures(self.run_on_two))

    def test_a_preview_is_what_generate_draws_with_the_adapter(self):
        result = programs.run("generate", "--model", programs.TINY_MODEL, "--lora", self.run_on_two / "lora_weights.pt", "--prompt", PROMPTS[0],
                              "--steps", 3, "--width", 64, "--height", 64, "--seed", 0, "--cpu-threads", 1, "--output", self.directory / "x.png")
        self.assertEqual(result.exit_code, 0, result.output)
        import numpy
        from PIL import Image
        ours, preview = (numpy.asarray(Image.open(file)).astype(int) for file in (self.directory / "x.png", self.run_on_two / f"previews/step-{STEPS:06}/00.png"))
        self.assertLessEqual(abs(ours - preview).max(), 2)

    def test_a_preview_that_cannot_be_written_does_not_stop_the_training(self):
        run = self.run_directory()
        run.mkdir()
        (run / "previews").write_text("in the way")
        result = self.train_to(run, ranks=2)
        self.assertEqual(result.exit_code, 0, result.output)
        self.assertIn("training goes on", result.output)
        self.assertEqual((run / "lora_weights.pt").read_bytes(), (self.run_on_two / "lora_weights.pt").read_bytes())

    def test_prompts_that_are_missing_are_a_usage_error(self):
        for options in ({"preview_prompts": self.directory / "absent.txt"}, {"preview_size": 33}):
            result = self.train_to(self.run_directory(), **options)
            self.assertEqual(result.exit_code, programs.USAGE, result.output)
        result = programs.train(self.run_directory(), preview_every=2)
        self.assertEqual(result.exit_code, programs.USAGE, result.output)
        self.assertIn("--preview-prompts", result.output)

    def test_the_report_is_one_file_that_loads_nothing(self):
        page = Page(self.run_on_two / "report.html")
        self.assertEqual(page.loads, [])
        outside_the_data = re.sub(r'<script type="application/json".*?</script>', "", page.text, flags=re.DOTALL)
        self.assertEqual(set(re.findall(r"https?://[^\"'\s)]+", outside_the_data)), {"http://www.w3.org/2000/svg"}, "a name, not a resource")
        for loader in ("@import", "url(", "import(", "fetch(", "XMLHttpRequest"):
            self.assertNotIn(loader, outside_the_data)

    def test_the_report_holds_the_whole_run(self):
        data = Page(self.run_on_two / "report.html").data
        self.assertEqual((data["state"], data["step"], data["figures"]["recorded_steps"]), ("finished", STEPS, STEPS))
        records = [json.loads(line) for line in (self.run_on_two / "metrics.jsonl").read_text().splitlines()]
        self.assertEqual(data["curves"]["loss"], [[r["step"], r["loss"]] for r in records if "loss" in r])
        self.assertEqual(data["curves"]["validation_loss"], [[r["step"], r["validation_loss"]] for r in records if "validation_loss" in r])
        self.assertEqual([point[0] for point in data["curves"]["validation_quarters"][3]], [0, 4, 8])
        self.assertEqual(data["previews"]["prompts"], PROMPTS)
        self.assertEqual(data["previews"]["steps"], [0, 3, 6, 8])
        image = data["previews"]["pictures"][0]["image"].removeprefix("data:image/png;base64,")
        self.assertEqual(base64.b64decode(image), (self.run_on_two / "previews/step-000000/00.png").read_bytes())
        changed = {s["name"] for s in data["settings"] if s["default"] and s["value"] != s["default"]}
        self.assertIn("max-steps", changed)
        self.assertNotIn("lora-rank", changed)
        self.assertNotIn("img-size", changed, "what was left to the program is no change")
        self.assertEqual(len([row for row in data["data_rows"] if re.fullmatch("[0-9a-f]{64}", row["value"])]), 3)
        self.assertLessEqual({"captions", "most frequent tags", "manifest SHA-256, without its report"}, {row["name"] for row in data["data_rows"]})
        self.assertTrue(data["captions"])

    def test_the_report_of_a_stopped_run_says_so_and_grows_when_it_goes_on(self):
        run = self.run_directory()
        options = programs.train_options(run, **self.options())
        process = subprocess.Popen(programs.command("trainer", *options, ranks=2), env=programs.ENVIRONMENT, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True)
        deadline = time.monotonic() + 60
        while not (run / "previews/step-000003").exists():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.002)
        process.send_signal(signal.SIGUSR1)
        output, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, programs.STOPPED, output)
        data = Page(run / "report.html").data
        self.assertEqual(data["state"], "stopped")
        self.assertLess(data["step"], STEPS)
        result = self.train_to(run)
        self.assertEqual(result.exit_code, 0, result.output)
        data = Page(run / "report.html").data
        self.assertEqual((data["state"], data["figures"]["recorded_steps"]), ("finished", STEPS))
        self.assertEqual(self.pictures(run), self.pictures(self.run_on_two))
        self.assertEqual((run / "lora_weights.pt").read_bytes(), (self.run_on_two / "lora_weights.pt").read_bytes())

    def test_the_report_of_a_diverged_run_says_so(self):
        run = self.run_directory()
        result = programs.train(run, learning_rate="1e30", max_grad_norm=0, warmup_steps=0, max_nonfinite_steps=2, max_steps=20)
        self.assertEqual(result.exit_code, programs.DIVERGED, result.output)
        data = Page(run / "report.html").data
        self.assertEqual(data["state"], "diverged")
        self.assertGreaterEqual(data["figures"]["skipped_steps"], 2)


if __name__ == "__main__":
    unittest.main(verbosity=2)
