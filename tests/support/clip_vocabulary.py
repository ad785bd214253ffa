"""CLIP's tokenizer files, as Stable Diffusion's repositories hold them, built from the published merges.

    python clip_vocabulary.py OUT_DIR [--pad-token '!']

writes vocab.json, merges.txt, tokenizer_config.json and special_tokens_map.json. The merges are those of OpenAI's CLIP
(clip/simple_tokenizer.py), which the open_clip_torch package carries; the vocabulary is 256 bytes, 256 bytes that end
a word, 48,894 merges and two markers, in this order.
"""
import argparse
import gzip
import json
from importlib.util import find_spec
from pathlib import Path

START, END = "<|startoftext|>", "<|endoftext|>"
MERGE_COUNT = 49152 - 256 - 2


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte, in CLIP's order: printable bytes first, the others from U+0100."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]


def read_merges() -> list[str]:
    packed = Path(find_spec("open_clip").submodule_search_locations[0]) / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode("utf-8").split("\n")
    return lines[1 : MERGE_COUNT + 1]


def marker(text: str) -> dict:
    return {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}


def write_tokenizer(out: Path, pad_token: str = END) -> None:
    out.mkdir(parents=True, exist_ok=True)
    merges = read_merges()
    letters = byte_alphabet()
    tokens = letters + [c + "</w>" for c in letters] + ["".join(m.split()) for m in merges] + [START, END]
    vocabulary = {token: i for i, token in enumerate(tokens)}
    if len(vocabulary) != 49408:
        raise SystemExit(f"CLIP's vocabulary has 49408 entries, this one {len(vocabulary)}")
    (out / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), encoding="utf-8")
    (out / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", encoding="utf-8")
    config = {
        "add_prefix_space": False,
        "bos_token": {"__type": "AddedToken", **marker(START)},
        "do_lower_case": True,
        "eos_token": {"__type": "AddedToken", **marker(END)},
        "errors": "replace",
        "model_max_length": 77,
        "name_or_path": "openai/clip-vit-large-patch14",
        "pad_token": pad_token,
        "special_tokens_map_file": "./special_tokens_map.json",
        "tokenizer_class": "CLIPTokenizer",
        "unk_token": {"__type": "AddedToken", **marker(END)},
    }
    special = {"bos_token": marker(START), "eos_token": marker(END), "pad_token": pad_token, "unk_token": marker(END)}
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    (out / "special_tokens_map.json").write_text(json.dumps(special, indent=2) + "\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--pad-token", default=END, help="Stable Diffusion 2 uses '!'")
    arguments = parser.parse_args()
    write_tokenizer(arguments.out, arguments.pad_token)
