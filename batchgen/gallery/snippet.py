"""A manifest that makes one job of a batch again: that job, and no other.

It is written from what the ledger says, and given out only if its job's identity, made of the
same parts, is the one on record.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product
from typing import TypeAlias

from batchgen.endpoint import Endpoint, load_endpoint
from batchgen.gallery.item import Item
from batchgen.job import AUTO_SEED, Json, automatic_seed, identify
from batchgen.ledger import variable_column

# Cells of which the type is not known are tried as text and as what they look like; with more
# of them than this there are too many ways to read a row.
MOST_UNSURE = 6

# Where a variable of the manifest's `key` is found: its name and, in a mapping, the keys.
Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reading:
    """One way to read a row: what was sent, and what else counts for the identity."""

    input: dict[str, Json]
    seed: int | str | None
    key: list[Json]


def write_snippet(item: Item, *, keys: Sequence[Sequence[Path]], batch: str) -> str:
    """Return a manifest that makes this job alone, or `""` where none does.

    Args:
        item: The job.
        keys: What counts for the identity besides what is sent, one list for each block.
        batch: The batch's name, for the comment.
    """
    endpoint = load_endpoint(item["endpoint"])
    for paths in dict.fromkeys((*map(tuple, keys), ())):
        for reading in _readings(item, endpoint, paths):
            if _job_id(reading, item, endpoint) == item["job_id"]:
                return _written(reading, item, batch)
    return ""


def _readings(item: Item, endpoint: Endpoint, paths: Sequence[Path]) -> Iterator[_Reading]:
    named = {name: item[name] for name in item.header.parameters if item[name]}
    choices = [_meanings(endpoint, name, text) for name, text in named.items()]
    keyed = [_key_meanings(item, path) for path in paths]
    if sum(len(meanings) > 1 for meanings in (*choices, *keyed)) > MOST_UNSURE:
        return
    for values in product(*choices):
        for key in product(*keyed):
            for seed in _seeds(item):
                sent = dict(zip(named, values, strict=True))
                yield _Reading(input=sent, seed=seed, key=list(key))


def _meanings(endpoint: Endpoint, name: str, text: str) -> list[Json]:
    if not endpoint.described:
        return _plain_meanings(text)
    for value in _plain_meanings(text):
        with suppress(ValueError):
            return [endpoint.settle(name, value)]
    return [text]


def _plain_meanings(text: str) -> list[Json]:
    """Return what a cell may have been: the text, or what prints like it."""
    meanings: list[Json] = [text]
    with suppress(ValueError):
        value = json.loads(text)
        if not isinstance(value, str) and value is not None:
            meanings.append(value)
    return meanings


def _key_meanings(item: Item, path: Path) -> list[Json]:
    text = item[".".join(path)] or item[variable_column(".".join(path))]
    return [*_plain_meanings(text), None] if not text else _plain_meanings(text)


def _seeds(item: Item) -> list[int | str | None]:
    text = item["seed"]
    if not text:
        return [None]
    seed = int(text)
    return [AUTO_SEED, seed] if seed == automatic_seed(item["job_id"]) else [seed]


def _job_id(reading: _Reading, item: Item, endpoint: Endpoint) -> str:
    sent = endpoint.without_defaults({"prompt": item["prompt"], **reading.input})
    if reading.seed is not None:
        sent["seed"] = reading.seed
    has_take = reading.seed is None or reading.seed == AUTO_SEED
    return identify(
        endpoint=endpoint.id,
        input=sent,
        repeat=int(item["repeat"]) if has_take else None,
        key=list(reading.key) or None,
    )


def _written(reading: _Reading, item: Item, batch: str) -> str:
    prompt = item["prompt"]
    variables = {f"key_{number}": value for number, value in enumerate(reading.key, start=1)}
    # What looks like a template would be rendered again; what comes out of a variable is not.
    if "{{" in prompt or "{%" in prompt:
        variables["prompt_text"] = prompt
        prompt = "{{ prompt_text }}"
    lines = [
        f"# job {item['job_id']} of {batch}",
        f"endpoint: {_scalar(item['endpoint'])}",
        f"prompt: {_scalar(prompt)}",
        *_block("variables", variables),
        *_block("parameters", reading.input),
    ]
    if reading.key:
        lines.append(f"key: [{', '.join(name for name in variables if name != 'prompt_text')}]")
    lines.append(f"seed: {'none' if reading.seed is None else reading.seed}")
    if int(item["repeat"]):
        lines.append(f"repeat: {{take: {item['repeat']}}}")
    return "\n".join(lines) + "\n"


def _block(name: str, values: Mapping[str, Json]) -> list[str]:
    if not values:
        return []
    return [f"{name}:", *(f"  {key}: {_scalar(value)}" for key, value in values.items())]


def _scalar(value: Json) -> str:
    r"""Write a value so that YAML reads the same: JSON, which is YAML but for its `\u` pairs."""
    text = json.dumps(value, ensure_ascii=False)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    number = ord(letter)
    return f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"
