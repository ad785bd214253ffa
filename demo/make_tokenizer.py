"""A CLIP tokenizer (vocab.json, merges.txt) whose merges make one token of every word of the demo's captions. It takes any
text, as CLIP's does: other words fall apart into letters.

    make_tokenizer.py --out DIR
"""
import argparse
import json
import pathlib

from scene import COLOURS, GROUNDS, RADII, SHAPES

WORDS = ["a", "on", *RADII, *COLOURS, *SHAPES, *GROUNDS]
MAX_LENGTH = 77


def byte_letters():
    """The printable stand-ins of the 256 bytes that GPT-2's and CLIP's byte-level BPE use, in their order."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return [chr(byte) for byte in plain] + [chr(256 + index) for index in range(len(others))]


def merges_of(word):
    """Letters joined from the left; the last carries the end-of-word mark."""
    parts = [*word[:-1], word[-1] + "</w>"]
    merges = []
    while len(parts) > 1:
        merges.append((parts[0], parts[1]))
        parts = [parts[0] + parts[1], *parts[2:]]
    return merges


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    # Longest first, and z before a: in this order no word's merges tear another word apart.
    order = sorted(sorted(WORDS, reverse=True), key=len, reverse=True)
    merges = list(dict.fromkeys(merge for word in order for merge in merges_of(word)))
    letters = byte_letters()
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(merge) for merge in merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (out / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}, ensure_ascii=False))
    (out / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>", "pad_token": "<|endoftext|>"}
    (out / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    config = {"tokenizer_class": "CLIPTokenizer", "model_max_length": MAX_LENGTH, "do_lower_case": True, **special}
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2))


if __name__ == "__main__":
    main()
