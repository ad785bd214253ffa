"""The demo's world: what is held out stays held out, and the tokenizer knows its words."""
import unittest

import numpy as np
from demo_world import MODEL

from draw import ink, photograph
from scene import IMAGE_SIZE, kinds, scenes
from transformers import CLIPTokenizer


class AWorld(unittest.TestCase):
    def test_shares_no_combination_between_training_and_held_out(self):
        seen = {(k.colour, k.shape, k.ground) for k in kinds(held_out=False)}
        unseen = {(k.colour, k.shape, k.ground) for k in kinds(held_out=True)}
        self.assertEqual(seen & unseen, set())
        self.assertGreaterEqual(len(kinds(held_out=True)), 200)
        for held_out in (False, True):  # so that only the combination is new, not a word
            for field in ("colour", "shape", "ground", "size"):
                self.assertEqual({getattr(k, field) for k in kinds(held_out)}, {getattr(k, field) for k in kinds(not held_out)})

    def test_draws_every_kind_equally_often(self):
        count = len(kinds(held_out=False))
        drawn = [scene.kind for scene in scenes(3 * count, seed=5, held_out=False)]
        self.assertTrue(all(drawn.count(kind) == 3 for kind in set(drawn)))

    def test_is_the_same_for_the_same_seed(self):
        first, second = scenes(20, 7, held_out=True), scenes(20, 7, held_out=True)
        self.assertEqual(first, second)
        self.assertTrue(all((ink(a) == ink(b)).all() and (photograph(a) == photograph(b)).all() for a, b in zip(first, second)))
        self.assertNotEqual(first, scenes(20, 8, held_out=True))

    def test_keeps_things_inside_the_picture(self):
        for scene in scenes(500, 9, held_out=False):
            self.assertTrue(np.all(np.abs(np.array([scene.x, scene.y]) - IMAGE_SIZE / 2) + scene.radius < IMAGE_SIZE / 2))

    def test_has_captions_of_one_token_a_word(self):
        tokenizer = CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
        for kind in kinds(held_out=False) + kinds(held_out=True):
            caption = kind.caption()
            self.assertEqual(len(tokenizer(caption).input_ids), len(caption.split()) + 2, caption)


if __name__ == "__main__":
    unittest.main(verbosity=2)
