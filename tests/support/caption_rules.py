"""The text of a sample by kohya's rules (sd-scripts' process_caption), computed independently of ours: the oracle of the tests.

Draws come from torch's generator at the sample's address, in the order that data/captions/caption_rules.h states.
"""
import dataclasses
import math
import re

import torch

WHITE = " \t\r\n\v\f"


@dataclasses.dataclass
class Rules:
    prefix: str = ""
    suffix: str = ""
    dropout: float = 0
    dropout_every_epochs: int = 0
    wildcards: bool = False
    separator: str = ","
    shuffle: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    secondary_separator: str = ""
    tag_dropout: float = 0
    token_warmup_steps: float = 0
    token_warmup_min: int = 1


def text_of(caption: str, rules: Rules, generator: torch.Generator, epoch: int, steps_done: int, max_steps: int) -> str:
    def below(limit):
        return torch.randint(limit, (1,), generator=generator).item()

    if rules.dropout > 0 and torch.rand(1, generator=generator, dtype=torch.float64).item() < rules.dropout:
        return ""
    if rules.dropout_every_epochs and epoch % rules.dropout_every_epochs == 0:
        return ""
    if rules.wildcards:
        lines = [line.strip(WHITE) for line in caption.split("\n") if line.strip(WHITE)]
        caption = lines[below(len(lines)) if len(lines) > 1 else 0] if lines else caption
    caption = f"{rules.prefix} {caption}" if rules.prefix else caption
    caption = f"{caption} {rules.suffix}" if rules.suffix else caption
    if rules.wildcards:
        caption = caption.replace("{{", "\ue000").replace("}}", "\ue001")
        caption = re.sub(r"\{([^}]+)\}", lambda match: (parts := match[1].split("|"))[below(len(parts))], caption)
        caption = caption.replace("\ue000", "{").replace("\ue001", "}")
    if rules.shuffle or rules.token_warmup_steps > 0 or rules.tag_dropout > 0:
        caption = ", ".join(_tags(caption, rules, generator, steps_done, max_steps))
    return caption.replace(rules.secondary_separator, rules.separator) if rules.secondary_separator else caption


def _tags(caption, rules, generator, steps_done, max_steps):
    mark = rules.keep_tokens_separator
    if mark and mark in caption:
        kept, free, behind = ([tag.strip(WHITE) for tag in part.split(rules.separator) if tag.strip(WHITE)]
                              for part in (caption.split(mark, 2) + [""])[:3])
    else:
        tags = [tag.strip(WHITE) for tag in caption.strip(WHITE).split(rules.separator)]
        kept, free, behind = tags[:rules.keep_tokens], tags[rules.keep_tokens:], []
    warmup = rules.token_warmup_steps
    warmup = math.floor(warmup * max_steps) if warmup < 1 else int(warmup)
    if steps_done < warmup:
        free = free[:max(0, math.floor(steps_done * (len(free) - rules.token_warmup_min) / warmup) + rules.token_warmup_min)]
    if rules.shuffle:
        free = [free[place] for place in torch.randperm(len(free), generator=generator)]
    if rules.tag_dropout > 0:
        chances = torch.rand(len(free), generator=generator, dtype=torch.float64)
        free = [tag for tag, chance in zip(free, chances) if chance >= rules.tag_dropout]
    return kept + free + behind
