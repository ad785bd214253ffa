"""Texts of 150 and 225 tokens, and layers before the last: embeddings by transformers, in the cache, in the trainer, in generate."""
import json
import pathlib
import re
import shutil
import sys
import tempfile
import unittest

import h5py
import numpy as np
import torch
from PIL import Image
from safetensors import safe_open
from transformers import CLIPTokenizer

TESTS = pathlib.Path(__file__).parents[1]
sys.path[:0] = [str(TESTS / folder) for folder in ("support", "data")]
import cache_pictures
import programs
import reference_model
from chunked_texts import embedding_of
from traced_runs import assert_replays

WORDS = "fox, hare, thin ink line, white paper, old wall, winter tree, lighthouse by the sea, ".split(" ")
CAPTIONS = [" ".join((WORDS * 30)[:count]) for count in (3, 40, 72, 76, 120, 300)] + [""]
READINGS = [(75, 2), (150, 1), (225, 2)]


class LongTexts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = pathlib.Path(tempfile.mkdtemp(prefix="sdlora-texts-"))
        cls.addClassCleanup(shutil.rmtree, cls.directory)
        cls.images = cls.directory / "images"
        cls.images.mkdir()
        for number, caption in enumerate(CAPTIONS):
            cache_pictures.photograph(cache_pictures.PHOTOGRAPHS[number % 6]).save(cls.images / f"{number}.png")
            (cls.images / f"{number}.txt").write_text(caption)
        cls.tokenizer = CLIPTokenizer.from_pretrained(programs.TINY_MODEL / "tokenizer")
        cls.encoder = reference_model.load_text_encoder(programs.TINY_MODEL)
        cls.made = {}
        for tokens, skip in READINGS:
            cls.made[tokens, skip] = cls.cache(f"{tokens}-{skip}", "--max-token-length", tokens, "--clip-skip", skip)
            assert cls.made[tokens, skip].exit_code == 0, cls.made[tokens, skip].output

    @classmethod
    def cache(cls, name, *options, ranks=None):
        return programs.run("cache_latents", "--model", programs.TINY_MODEL, "--images", cls.images, "--output", cls.directory / name,
                            "--img-size", 64, *options, ranks=ranks)

    def assert_close(self, ours, text, tokens, skip):
        expected = embedding_of(text, self.tokenizer, self.encoder, tokens, skip)
        self.assertEqual(ours.shape, expected.shape)
        error = ((ours - expected).norm() / expected.norm()).item()
        self.assertLess(error, 1e-5, (text, tokens, skip))
        return error

    def test_are_embedded_in_the_cache_as_transformers_does_in_chunks(self):
        for tokens, skip in READINGS:
            with h5py.File(self.directory / f"{tokens}-{skip}" / "text.h5") as file:
                worst = max(self.assert_close(torch.from_numpy(row), text.decode(), tokens, skip)
                            for text, row in zip(file["caption"][:], file["embedding"][:]))
            print(f"\n{tokens} tokens, clip skip {skip}: at most {worst:.1e}")

    def test_lose_words_only_behind_the_last_chunk(self):
        self.assertRegex(self.made[225, 2].output, r"1 of 7 captions are longer than 225 tokens")
        self.assertRegex(self.made[150, 1].output, r"2 of 7 captions are longer than 150 tokens")

    def test_are_trained_and_replayed_also_where_the_trainer_reads_them(self):
        run, trace = self.directory / "run", self.directory / "trace"
        result = programs.run("trainer", *programs.train_options(run, data=self.directory / "225-2", max_steps=8, caption_dropout=0.1,
                                                                 trace_dir=trace), "--caption-shuffle", ranks=2)
        self.assertEqual(result.exit_code, 0, result.output)
        worst, new = 0, 0
        for file in sorted(trace.glob("step-*.sample-*.safetensors")):
            with safe_open(file, "pt") as opened:
                text = opened.metadata()["text"]
                worst = max(worst, self.assert_close(opened.get_tensor("encoder_hidden_states"), text, 225, 2))
            new += text not in CAPTIONS
        self.assertGreater(new, 5)
        print(f"\n{new} texts that the trainer made: at most {worst:.1e}")
        assert_replays(self, run, trace)

    def test_shown_by_a_dry_run_say_what_they_lose(self):
        result = programs.run("trainer", *programs.train_options(self.directory / "dry", data=self.directory / "225-2", show_captions=24),
                              "--dry-run")
        self.assertEqual(result.exit_code, 0, result.output)
        lost = [line for line in result.output.splitlines() if re.match(r"step \d+, 5.png: ", line)]
        self.assertTrue(lost and all("lighthouse" in line for line in lost), result.output)
        self.assertEqual(len(re.findall(r"step \d+, 4.png: .*(?:cut|los)", result.output)), 0)

    def test_are_read_likewise_by_previews_of_the_run(self):
        prompts, run = self.directory / "prompts.txt", self.directory / "previewed"
        prompts.write_text(CAPTIONS[4] + "\n")
        result = programs.run("trainer", *programs.train_options(run, data=self.directory / "225-2", max_steps=2, warmup_steps=0,
                                                                 preview_every=2, preview_prompts=prompts, preview_steps=3))
        self.assertEqual(result.exit_code, 0, result.output)
        preview = sorted(run.rglob("*.png"))[-1]
        drawn = self.directory / "drawn.png"
        result = programs.run("generate", "--model", programs.TINY_MODEL, "--lora", run / "lora_weights.pt", "--prompt", CAPTIONS[4], "--output",
                              drawn, "--width", 64, "--height", 64, "--steps", 3, "--max-token-length", 225, "--clip-skip", 2)
        self.assertEqual(result.exit_code, 0, result.output)
        difference = np.abs(np.asarray(Image.open(preview)).astype(int) - np.asarray(Image.open(drawn)).astype(int)).max()
        self.assertLessEqual(difference, 1)
        self.assertIn("Clip skip: 2", Image.open(drawn).text["parameters"])

    def test_read_otherwise_are_another_cache_and_the_plain_one_stays_of_format_1(self):
        plain = self.cache("plain")
        self.assertEqual(plain.exit_code, 0, plain.output)
        self.assertEqual(json.loads((self.directory / "plain/manifest.json").read_text())["format_version"], 1)
        again = self.cache("plain", "--clip-skip", 2)
        self.assertEqual(again.exit_code, programs.MISMATCH, again.output)
        self.assertIn("--clip-skip: 1, now 2", again.output)
        rebuilt = self.cache("plain", "--clip-skip", 2, "--rebuild")
        self.assertEqual(rebuilt.exit_code, 0, rebuilt.output)
        self.assertIn("; 0 pictures encoded", rebuilt.output)
        self.assertEqual((self.directory / "plain/text.h5").read_bytes(), (self.directory / "75-2/text.h5").read_bytes())
        self.assertEqual(json.loads((self.directory / "plain/manifest.json").read_text())["format_version"], 2)
        self.assertRegex(programs.run("cache_latents", "info", self.directory / "plain").output, r"captions read +clip skip 2, 75 tokens")
        self.assertEqual(programs.run("cache_latents", "verify", self.directory / "plain").exit_code, 0)

    def test_that_cannot_be_read_so_are_refused(self):
        for options, words in ((("--clip-skip", 0), "--clip-skip"), (("--clip-skip", 99), "--clip-skip does not fit the text encoder"),
                               (("--max-token-length", 100), "--max-token-length")):
            result = self.cache("refused", *options)
            self.assertEqual(result.exit_code, programs.USAGE, result.output)
            self.assertIn(words, result.output)
            self.assertFalse((self.directory / "refused/manifest.json").exists())


if __name__ == "__main__":
    unittest.main()
