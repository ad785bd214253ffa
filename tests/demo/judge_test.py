"""The demo's measures, on pictures of which the truth is known: drawn scenes that the judge never saw, as they are and after the
model's autoencoder, which softens them as it softens what the model draws."""
import unittest

import numpy as np
import torch
from demo_world import MODEL
from diffusers import AutoencoderKL

from draw import ink, photograph
from judge import LEAST_LINES, LEAST_PAPER, MOST_COLOUR, ink_statistics, load_judge, read
from scene import scenes

LEAST = {"shape": 0.99, "size": 0.99, "colour": 0.99, "ground": 0.99}


@torch.no_grad()
def through_autoencoder(pictures):
    vae = AutoencoderKL.from_pretrained(MODEL, subfolder="vae").float()
    signed = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
    decoded = [vae.decode(vae.encode(some).latent_dist.mean).sample for some in signed.split(16)]
    return ((torch.cat(decoded).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


class TheJudge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scenes = scenes(300, 4711, held_out=True)
        drawn = {style.__name__: np.stack([style(scene) for scene in cls.scenes]) for style in (photograph, ink)}
        softened = {f"{name} after the autoencoder": through_autoencoder(some[:150]) for name, some in drawn.items()}
        cls.pictures = {**drawn, **softened}
        cls.judge = load_judge()

    def test_reads_what_a_picture_shows(self):
        for name, pictures in self.pictures.items():
            words = ("shape", "size") if name.startswith("ink") else LEAST
            verdicts = read(self.judge, pictures)
            truth = self.scenes[: len(pictures)]
            right = {word: np.mean([getattr(v, word) == getattr(s.kind, word) for v, s in zip(verdicts, truth)]) for word in words}
            off = np.array([np.hypot(v.x - s.x, v.y - s.y) for v, s in zip(verdicts, truth)])
            print(f"{name}: {', '.join(f'{word} {share:.1%}' for word, share in right.items())}; "
                  f"place off by {off.mean():.1f} px, at most {off.max():.1f}")
            for word, share in right.items():
                self.assertGreaterEqual(share, LEAST[word], f"{name}: {word}")
            self.assertGreater(np.mean(off < 6), 0.98, name)

    def test_tells_the_styles_apart_by_statistics_of_real_samples(self):
        for name, pictures in self.pictures.items():
            statistics = np.array([ink_statistics(picture) for picture in pictures])
            ranges = ", ".join(f"{what} {low:.3f} to {high:.3f}" for what, low, high in
                               zip(("paper", "chroma", "strokes"), statistics.min(axis=0), statistics.max(axis=0)))
            print(f"{name}: {ranges}")
            verdicts = [v.is_ink for v in read(self.judge, pictures)]
            self.assertEqual(set(verdicts), {name.startswith("ink")}, name)
        print(f"in ink: paper at least {LEAST_PAPER}, chroma at most {MOST_COLOUR}, strokes at least {LEAST_LINES}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
