"""Captions that change from sample to sample: texts by kohya's rules computed in Python, their embeddings by transformers, the replay in
PyTorch, and the same bytes on any number of ranks and after a stop."""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

import torch
from safetensors import safe_open
from transformers import CLIPTokenizer

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "data")]
import cache_pictures
import caption_rules
import programs
import reference_model
from seeds import CAPTION, generator
from traced_runs import assert_replays, assert_same_adapter, stop_after_a_step

STEPS, BATCH, SEED = 24, 4, 3
CAPTIONS = [
    "sks ||| red circle, large;;;soft, on white, {old|new} paper ||| ink, thin lines ||| wide, margin",
    "one line of tags, a second tag\nanother line, {a|b|c} tag, {{braces}}\n\n a third line ",
    "no tags at all",
    "",
    "größe, ÄÖÜ, 日本, tag, tag",
]
EVERYTHING = caption_rules.Rules(prefix="drawn:", suffix=", by hand", dropout=0.2, dropout_every_epochs=4, wildcards=True, shuffle=True,
                                 keep_tokens=1, keep_tokens_separator="|||", secondary_separator=";;;", tag_dropout=0.3,
                                 token_warmup_steps=0.5, token_warmup_min=2)


def flags_of(rules):
    """What differs from the defaults, as options of the trainer."""
    words = []
    for name, value in vars(rules).items():
        if value == getattr(caption_rules.Rules, name):
            continue
        option = name if name.startswith("token_") else f"caption_{name}"
        words += ["--" + option.replace("_", "-"), *([] if value is True else [str(value)])]
    return words


def command(run, cache, rules, ranks=None, **options):
    options = {"max_steps": STEPS, "batch_size": BATCH, "seed": SEED, **options}
    return programs.command("trainer", *programs.train_options(run, data=cache, **options), *flags_of(rules), ranks=ranks)


def train(run, cache, rules, **options):
    done = subprocess.run(command(run, cache, rules, **options), env=programs.ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


class ChangingCaptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-captions-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        images, cls.cache = cls.directory / "images", cls.directory / "cache"
        images.mkdir()
        for number, caption in enumerate(CAPTIONS):
            cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number]).save(images / f"{number}.png")
            (images / f"{number}.txt").write_text(caption)
        result = programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", images, "--output", cls.cache, "--img-size", 64)
        assert result.exit_code == 0, result.output
        cls.caption_of = {f"{number}.png": caption.strip() for number, caption in enumerate(CAPTIONS)}
        cls.run_with_everything = cls.directory / "everything"
        train(cls.run_with_everything, cls.cache, EVERYTHING, ranks=2, trace_dir=cls.run_with_everything / "trace")

    def samples_of(self, run):
        """(step from 0, slot, metadata, embedding), in order"""
        files = sorted((run / "trace").glob("step-*.sample-*.safetensors"))
        self.assertEqual(len(files), STEPS * BATCH)
        for file in files:
            step, slot = map(int, re.findall(r"\d+", file.name))
            with safe_open(file, "pt") as opened:
                yield step - 1, slot, opened.metadata(), opened.get_tensor("encoder_hidden_states")

    def expected_text(self, rules, step, slot, source):
        position = step * BATCH + slot
        return caption_rules.text_of(self.caption_of[source], rules, generator(SEED, step, slot, CAPTION),
                                     epoch=position // len(CAPTIONS) + 1, steps_done=step, max_steps=STEPS)

    def test_are_what_the_rules_make_of_them_sample_by_sample(self):
        texts = []
        for step, slot, metadata, _ in self.samples_of(self.run_with_everything):
            self.assertEqual(metadata["text"], self.expected_text(EVERYTHING, step, slot, metadata["source"]), (step, slot))
            texts.append(metadata["text"])
        self.assertGreater(len(set(texts)), 20)
        self.assertIn("", texts)

    def test_are_what_each_rule_alone_makes_of_them(self):
        for name, value in vars(EVERYTHING).items():
            if name in ("separator", "keep_tokens", "keep_tokens_separator", "token_warmup_min"):  # do nothing alone
                continue
            rules = caption_rules.Rules(**{name: value})
            with self.subTest(name):
                changed = 0
                for place, (step, source, text) in enumerate(self.shown_texts(rules)):
                    self.assertEqual(text, self.expected_text(rules, step, place % BATCH, source), place)
                    changed += text != self.caption_of[source]
                self.assertGreater(changed, 0)

    def shown_texts(self, rules):
        """(step from 0, source, text) by a dry run, in order"""
        words = command(self.directory / "dry", self.cache, rules) + ["--dry-run", "--show-captions", str(10 * STEPS * BATCH)]
        done = subprocess.run(words, env=programs.ENVIRONMENT, capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        shown = re.findall(r'step (\d+), (\S+): "(.*)"\n', done.stdout)
        self.assertEqual(len(shown), STEPS * BATCH)  # no more than are trained
        return [(int(step) - 1, source, text.replace("\\x0a", "\n")) for step, source, text in shown]

    def test_are_embedded_as_transformers_does(self):
        encoder = reference_model.load_text_encoder(programs.TINY_MODEL)
        tokenizer = CLIPTokenizer.from_pretrained(programs.TINY_MODEL / "tokenizer")
        worst = 0
        for _, _, metadata, embedding in self.samples_of(self.run_with_everything):
            ids = tokenizer(metadata["text"], padding="max_length", truncation=True, return_tensors="pt").input_ids
            with torch.no_grad():
                expected = encoder(ids).last_hidden_state[0]
            worst = max(worst, ((embedding - expected).norm() / expected.norm()).item())
        print(f"\nembeddings of {STEPS * BATCH} changed captions against transformers: at most {worst:.1e}")
        self.assertLess(worst, 1e-5)

    def test_replay_in_pytorch(self):
        assert_replays(self, self.run_with_everything)

    def test_give_the_same_bytes_on_any_number_of_ranks_and_after_a_stop_on_another(self):
        for ranks in (1, 4):
            run = self.directory / f"ranks-{ranks}"
            train(run, self.cache, EVERYTHING, ranks=ranks)
            assert_same_adapter(self, run, self.run_with_everything)
        run = self.directory / "stopped"
        stop_after_a_step(self, command(run, self.cache, EVERYTHING, ranks=1), run)
        train(run, self.cache, EVERYTHING, ranks=4)
        assert_same_adapter(self, run, self.run_with_everything)

    def test_are_part_of_what_a_checkpoint_goes_on_with(self):
        run = self.directory / "other"
        train(run, self.cache, EVERYTHING, max_steps=2)
        done = subprocess.run(command(run, self.cache, caption_rules.Rules(shuffle=True), max_steps=4), env=programs.ENVIRONMENT,
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, programs.MISMATCH, done.stderr)
        self.assertIn("caption-dropout", done.stdout + done.stderr)

    def test_are_shown_by_a_dry_run(self):
        self.assertEqual(self.shown_texts(EVERYTHING), [(step, metadata["source"], metadata["text"])
                                                        for step, _, metadata, _ in self.samples_of(self.run_with_everything)])


if __name__ == "__main__":
    unittest.main()
