"""Compares the tokenizer with transformers' CLIPTokenizer, id by id, through model_probe.

    python tokenizer_parity.py --probe build/bin/model_probe [--captions 12000]

Passes: captions of many kinds; every code point; bytes that are not UTF-8; captions of a megabyte; and tokenizer folders
of other origins (Stable Diffusion 2, without config, as transformers 5 saves them, with tokens of their own).
"""
import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent.parent / "support"))
import caption_corpus as corpus  # noqa: E402
import make_model  # noqa: E402
from clip_vocabulary import END, START, byte_alphabet, marker, write_tokenizer  # noqa: E402
from probe import run_probe  # noqa: E402
from transformers import CLIPTokenizer  # noqa: E402
from transformers.utils import logging  # noqa: E402

CAPTIONS_PER_RUN = 50_000  # bounds the file of tokens to 31 MB
SHOWN_DIFFERENCES = 5


def plain_words(vocabulary_file: Path) -> list[str]:
    """The vocabulary's whole words in plain spelling; markers and pieces of characters left out."""
    byte_of = {c: b for b, c in zip([*range(33, 127), *range(161, 173), *range(174, 256)], byte_alphabet())}
    byte_of |= {c: b for b, c in zip([*range(33), *range(127, 161), 173], byte_alphabet()[188:])}
    words = []
    for token in json.loads(vocabulary_file.read_text(encoding="utf-8")):
        if token.endswith("</w>"):
            words.append(bytes(byte_of[c] for c in token[:-4]).decode("utf-8", errors="ignore"))
    return words


class Comparison:
    def __init__(self, probe: Path, model: Path):
        self.probe, self.model = probe, model
        logging.set_verbosity_error()
        self.oracle = CLIPTokenizer.from_pretrained(model / "tokenizer")
        self.length = self.oracle.model_max_length if self.oracle.model_max_length <= 1024 else 77
        self.differences = 0

    def probe_tokens(self, captions: list[bytes]) -> torch.Tensor:
        with tempfile.TemporaryDirectory() as folder:
            prompts = Path(folder) / "prompts.txt"
            prompts.write_bytes(b"".join(c + b"\n" for c in captions))
            return run_probe(self.probe, self.model, "--prompts", prompts)["text.tokens"]

    def run(self, title: str, captions: list[str | bytes]) -> None:
        """A caption of bytes is given to the oracle as Python's errors="replace" reads it."""
        probe_seconds = oracle_seconds = 0.0
        different = 0
        for i in range(0, len(captions), CAPTIONS_PER_RUN):
            some = captions[i : i + CAPTIONS_PER_RUN]
            start = time.perf_counter()
            seen = self.probe_tokens([c if isinstance(c, bytes) else c.encode() for c in some])
            probe_seconds += time.perf_counter() - start
            start = time.perf_counter()
            texts = [c.decode("utf-8", errors="replace") if isinstance(c, bytes) else c for c in some]
            options = dict(padding="max_length", max_length=self.length, truncation=True, return_attention_mask=False)
            expected = torch.tensor(self.oracle(texts, **options).input_ids)
            oracle_seconds += time.perf_counter() - start
            if seen.shape != expected.shape:
                raise SystemExit(f"{title}: tokens {list(seen.shape)}, the oracle {list(expected.shape)}")
            for row in (seen != expected).any(dim=1).nonzero().flatten().tolist():
                different += 1
                if different <= SHOWN_DIFFERENCES:
                    print(f"  {some[row]!r:.300}\n    ours   {seen[row].tolist()}\n    oracle {expected[row].tolist()}")
        print(f"{title}: {len(captions)} captions, {different} differ; probe {probe_seconds:.1f} s, oracle {oracle_seconds:.1f} s", flush=True)
        self.differences += different


def edit_json(file: Path, **changes) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def other_folders(base: Path, out: Path) -> dict[str, Path]:
    """Models that differ from `base` in their tokenizer folder only."""
    models = {}

    def add(title: str) -> Path:
        models[title] = out / title.replace(" ", "-")
        models[title].mkdir()
        for part in base.iterdir():
            if part.name != "tokenizer":
                (models[title] / part.name).symlink_to(part)
        return models[title] / "tokenizer"

    write_tokenizer(add("padding with an exclamation mark"), pad_token="!")
    folder = add("no config at all")
    write_tokenizer(folder)
    (folder / "tokenizer_config.json").unlink()
    (folder / "special_tokens_map.json").unlink()
    folder = add("no special tokens map")
    write_tokenizer(folder)
    (folder / "special_tokens_map.json").unlink()
    folder = add("as transformers 5 saves it")
    CLIPTokenizer.from_pretrained(base / "tokenizer").save_pretrained(folder)
    folder = add("tokens of its own")
    (folder.parent / "text_encoder").unlink()  # which has no embeddings of them
    write_tokenizer(folder)
    own = {"content": "<My-Cat>", "lstrip": True, "rstrip": True, "normalized": False, "single_word": False, "special": False}
    decoder = {"49406": marker(START) | {"special": True}, "49407": marker(END) | {"special": True}, "49408": own}
    decoder["49409"] = own | {"content": "Sofa", "normalized": True, "lstrip": False, "rstrip": False, "single_word": True}
    decoder["49410"] = own | {"content": "<My-Cat>s", "lstrip": False, "rstrip": False}
    edit_json(folder / "tokenizer_config.json", added_tokens_decoder=decoder, pad_token="<|pad|>")
    folder = add("sixteen tokens long")
    write_tokenizer(folder)
    edit_json(folder / "tokenizer_config.json", model_max_length=16)
    return models


def own_token_captions() -> list[str]:
    return ["a <My-Cat> on a sofa", "<My-Cat>s", "<my-cat> Sofa", "Sofas", "a  \t<My-Cat>\u3000 b", "_sofa_", "sofa", "SOFA!",
            "x<My-Cat><My-Cat> y", "sofasofa sofa", "<My-Cat>\u0301 sofa\u0301", "1sofa sofa1 (sofa)", "<|pad|> a"]  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--probe", type=Path, required=True, help="build/bin/model_probe")
    parser.add_argument("--captions", type=int, default=12000)
    arguments = parser.parse_args()
    base = make_model.cached(make_model.parse(["--size", "tiny", "--cache"]))
    words = plain_words(base / "tokenizer" / "vocab.json")
    captions = corpus.captions(words, arguments.captions)
    if len(set(captions)) < arguments.captions:
        raise SystemExit(f"only {len(captions)} distinct captions")

    comparison = Comparison(arguments.probe, base)
    comparison.run("captions", captions)
    comparison.run("every code point", corpus.every_code_point())
    comparison.run("not UTF-8", corpus.ill_formed())
    comparison.run("a megabyte each", corpus.huge())
    differences = comparison.differences
    out = Path(tempfile.mkdtemp())
    try:
        for title, model in other_folders(base, out).items():
            other = Comparison(arguments.probe, model)
            other.run(title, captions[:2000] + own_token_captions())
            differences += other.differences
    finally:
        shutil.rmtree(out)
    raise SystemExit(1 if differences else 0)


if __name__ == "__main__":
    main()
