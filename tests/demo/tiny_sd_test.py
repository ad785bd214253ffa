"""demo/tiny-sd draws what captions say that it never saw."""
import json
import pathlib
import tempfile
import unittest

from demo_world import DRAWING, MODEL

import programs
from judge import load_judge, read
from scene import scenes
from score import load

COUNT = 200
MOST_BYTES = 12_000_000


class TheSmallModel(unittest.TestCase):
    def test_draws_held_out_captions(self):
        every = scenes(COUNT, 31, held_out=True)
        with tempfile.TemporaryDirectory() as directory:
            directory = pathlib.Path(directory)
            prompts = [json.dumps({"prompt": s.kind.caption(), "seed": 500 + i}) for i, s in enumerate(every)]
            (directory / "prompts.jsonl").write_text("\n".join(prompts) + "\n")
            result = programs.run("generate", *DRAWING, "--prompt-file", directory / "prompts.jsonl", "--output",
                                  directory / "pictures", timeout_seconds=600)
            self.assertEqual(result.exit_code, 0, result.output)
            verdicts = read(load_judge(), load(directory / "pictures"))
        right = {word: [getattr(v, word) == getattr(s.kind, word) for v, s in zip(verdicts, every)]
                 for word in ("shape", "colour", "ground", "size")}
        for word, each in right.items():
            print(f"{word}: {sum(each) / COUNT:.1%}")
        all_right = sum(map(all, zip(right["shape"], right["colour"], right["ground"]))) / COUNT
        print(f"shape, colour and ground: {all_right:.1%}")
        self.assertGreaterEqual(all_right, 0.95)
        self.assertFalse(any(v.is_ink for v in verdicts))

    def test_is_small(self):
        size = sum(path.stat().st_size for path in MODEL.rglob("*") if path.is_file())
        print(f"{size:,} bytes")
        self.assertLessEqual(size, MOST_BYTES)


if __name__ == "__main__":
    unittest.main(verbosity=2)
