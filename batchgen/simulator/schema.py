"""What the endpoints take, and how the service says that an input does not fit.

This is a reading of the protocol notes of its own, section 9: it shares nothing with the
description that the client checks by.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TypeAlias

from batchgen.simulator.answer import Json

Check: TypeAlias = Callable[[str, Json], "list[Json]"]

ASPECT_RATIOS = (
    *("auto", "21:9", "16:9", "3:2", "4:3", "5:4", "1:1", "4:5", "3:4", "2:3", "9:16"),
    *("4:1", "1:4", "8:1", "1:8"),
)
RESOLUTIONS = ("0.5K", "1K", "2K", "4K")
OUTPUT_FORMATS = ("jpeg", "png", "webp")
MOST_IMAGES = 4
MOST_REFERENCES = 14


def entry(name: str | int, *, kind: str, text: str, given: Json, ctx: Json = None) -> Json:
    """Return one entry of a `detail` list, as pydantic writes it."""
    made: dict[str, Json] = {
        "loc": ["body", name],
        "msg": text,
        "type": kind,
        "url": f"https://errors.pydantic.dev/2.12/v/{kind}",
        "input": given,
    }
    if ctx is not None:
        made["ctx"] = ctx
    return made


def _text(name: str, value: Json) -> list[Json]:
    if not isinstance(value, str):
        return [_wrong_type(name, value, kind="string_type", wanted="string")]
    if not value:
        text = "String should have at least 1 character"
        return [entry(name, kind="string_too_short", text=text, given=value, ctx={"min_length": 1})]
    return []


def _flag(name: str, value: Json) -> list[Json]:
    if isinstance(value, bool):
        return []
    return [_wrong_type(name, value, kind="bool_type", wanted="boolean")]


def _whole(name: str, value: Json) -> list[Json]:
    if isinstance(value, int) and not isinstance(value, bool):
        return []
    return [_wrong_type(name, value, kind="int_type", wanted="integer")]


def _count(name: str, value: Json) -> list[Json]:
    wrong = _whole(name, value)
    if wrong or not isinstance(value, int):
        return wrong
    if value < 1:
        text = "Input should be greater than or equal to 1"
        return [entry(name, kind="greater_than_equal", text=text, given=value, ctx={"ge": 1})]
    if value > MOST_IMAGES:
        text = f"Input should be less than or equal to {MOST_IMAGES}"
        ctx: Json = {"le": MOST_IMAGES}
        return [entry(name, kind="less_than_equal", text=text, given=value, ctx=ctx)]
    return []


def _one_of(*values: str) -> Check:
    quoted = [f"'{value}'" for value in values]
    expected = f"{', '.join(quoted[:-1])} or {quoted[-1]}"

    def check(name: str, value: Json) -> list[Json]:
        if isinstance(value, str) and value in values:
            return []
        text = f"Input should be {expected}"
        return [
            entry(name, kind="literal_error", text=text, given=value, ctx={"expected": expected})
        ]

    return check


def _references(name: str, value: Json) -> list[Json]:
    if not isinstance(value, list):
        return [_wrong_type(name, value, kind="list_type", wanted="list")]
    if not 1 <= len(value) <= MOST_REFERENCES:
        kind, bound = ("too_short", 1) if not value else ("too_long", MOST_REFERENCES)
        text = f"List should have 1 to {MOST_REFERENCES} items, not {len(value)}"
        return [entry(name, kind=kind, text=text, given=value, ctx={"bound": bound})]
    return [
        _wrong_type(index, item, kind="string_type", wanted="string")
        for index, item in enumerate(value)
        if not isinstance(item, str)
    ]


def _wrong_type(name: str | int, value: Json, *, kind: str, wanted: str) -> Json:
    return entry(name, kind=kind, text=f"Input should be a valid {wanted}", given=value)


_TEXT_TO_IMAGE: Mapping[str, Check] = MappingProxyType(
    {
        "prompt": _text,
        "num_images": _count,
        "seed": _whole,
        "aspect_ratio": _one_of(*ASPECT_RATIOS),
        "output_format": _one_of(*OUTPUT_FORMATS),
        "safety_tolerance": _one_of("1", "2", "3", "4", "5", "6"),
        "sync_mode": _flag,
        "resolution": _one_of(*RESOLUTIONS),
        "limit_generations": _flag,
        "enable_web_search": _flag,
        "thinking_level": _one_of("minimal", "high"),
    }
)
_EDIT: Mapping[str, Check] = MappingProxyType({**_TEXT_TO_IMAGE, "image_urls": _references})

# By application, then by the path below it.
KNOWN: Mapping[str, Mapping[str, Mapping[str, Check]]] = MappingProxyType(
    {
        application: MappingProxyType({"": _TEXT_TO_IMAGE, "edit": _EDIT})
        for application in ("fal-ai/nano-banana-2", "fal-ai/gemini-3.1-flash-image-preview")
    }
)
_REQUIRED = ("prompt", "image_urls")


def check_input(given: Mapping[str, Json], checks: Mapping[str, Check]) -> list[Json]:
    """Return what is wrong with an input, one entry a mistake; empty where it fits.

    A parameter that the endpoint does not have is passed over, as the service does; so a
    mistyped name is not noticed here. A parameter that may be left out may be null.
    """
    wrong: list[Json] = []
    for name, check in checks.items():
        value = given.get(name)
        if value is not None or (name in given and name in _REQUIRED):
            wrong += check(name, value)
        elif name in _REQUIRED:
            wrong.append(entry(name, kind="missing", text="Field required", given=dict(given)))
    return wrong
