"""The keys of a block that stand for themselves: endpoint, parameters, prompt, and so on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from batchgen.endpoint import Endpoint, described_endpoints, load_endpoint
from batchgen.filename import compile_filename
from batchgen.job import Json
from batchgen.manifest.holes import Path
from batchgen.manifest.reading import Part, Reading
from batchgen.manifest.row_loading import MAX_TAKES
from batchgen.manifest.sections import DEFAULT_ENDPOINT, Section
from batchgen.manifest.values import Intake
from batchgen.scalar import kind_of, print_scalar
from batchgen.template import PromptTemplate, Template, TemplateError, compile_prompt

_ENDPOINT = re.compile(r"[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)+")
_HOST = re.compile(r"(?:https?://)?(?:queue\.)?fal\.(?:run|ai)/(?:models/)?")
_WHOLE = re.compile(r"[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawRequest:
    """`draw:` as it is written.

    Attributes:
        jobs: How many jobs are wanted.
        seed: Another seed, other combinations.
        part: Where it stands.
    """

    jobs: int
    seed: int | str
    part: Part


def read_endpoint(section: Section, *, reading: Reading) -> Endpoint:
    """Return the block's endpoint; one without a description is warned of."""
    part = section.keys.get("endpoint")
    if part is None:
        return load_endpoint(DEFAULT_ENDPOINT)
    written = part.value
    if not isinstance(written, str) or not _ENDPOINT.fullmatch(written):
        shown = f"'{written}'" if isinstance(written, str) else kind_of(written)
        meant = _HOST.sub("", written).strip("/ ") if isinstance(written, str) else ""
        near = get_close_matches(meant, [*described_endpoints(), meant], n=1, cutoff=0.5)
        guess = f" Write {near[0]}." if near and _ENDPOINT.fullmatch(near[0]) else ""
        text = f"endpoint is {shown}. It takes an id such as {DEFAULT_ENDPOINT}.{guess}"
        reading.mistake(text, at=part.spot)
        return load_endpoint(DEFAULT_ENDPOINT)
    endpoint = load_endpoint(written)
    if not endpoint.described:
        near = get_close_matches(written, described_endpoints(), n=1, cutoff=0.8)
        guess = f" Did you mean {near[0]}?" if near else ""
        reading.warn(
            f"{reading.where(part.spot)}  {written} has no description: what is sent is not "
            f"checked, no price is known, and only a seed that is named is sent.{guess}"
        )
    return endpoint


def read_parameters(section: Section, *, intake: Intake, reading: Reading) -> dict[str, Json]:
    """Return what stands under `parameters:`, settled; what the endpoint does not take is noted."""
    settled: dict[str, Json] = {}
    for name, part in section.parameters.items():
        if name == "prompt":
            text = "prompt is a key of its own: write prompt: … beside parameters."
            reading.mistake(text, at=part.spot, key=True)
        elif part.value is None:
            text = f"{name} is empty. Leave it out, and the endpoint's default counts."
            reading.mistake(text, at=part.spot)
        elif intake.endpoint.described and not intake.takes(name):
            reading.mistake(intake.endpoint.lacks(name), at=part.spot, key=True)
        else:
            try:
                settled[name] = intake.endpoint.settle(name, part.value)
            except ValueError as error:
                hint = _list_hint(name, part.value, intake.endpoint)
                reading.mistake(f"{error}{hint}", at=part.spot)
    return settled


def read_variables(section: Section, *, reading: Reading) -> dict[str, Json]:
    """Return what is the same in all jobs of the block: `variables:`, and the sweep's name."""
    for name, part in section.variables.items():
        if part.value is None:
            text = f'variables: {name} is empty. Write "" for no text.'
            reading.mistake(text, at=part.spot)
    constants = {name: part.value for name, part in section.variables.items()}
    return {**constants, "sweep": section.name} if section.name else constants


def read_repeat(section: Section, *, reading: Reading) -> int:
    """Return how many takes there are."""
    part = section.keys.get("repeat")
    if part is None or isinstance(part.value, dict):
        return 1  # one take alone: `read_first_take`
    repeat = _whole(part.value)
    if repeat is None or not 1 <= repeat <= MAX_TAKES:
        text = f"repeat is {_shown(part.value)}. It takes a whole number from 1 on."
        reading.mistake(text, at=part.spot)
        return 1
    return repeat


def read_first_take(section: Section, *, reading: Reading) -> int:
    """Return the number of the first take: 0, unless `repeat: {take: 3}` asks for one alone."""
    part = section.keys.get("repeat")
    if part is None or not isinstance(part.value, dict):
        return 0
    take = _whole(part.value.get("take"))
    if list(part.value) != ["take"] or take is None or take >= MAX_TAKES:
        text = "repeat takes the number of takes, 4, or one take alone, counted from 0: {take: 3}."
        reading.mistake(text, at=part.spot)
        return 0
    return take


def read_prompt(section: Section, *, reading: Reading) -> PromptTemplate | None:
    """Return the block's prompt, if it has one that can be read."""
    part = section.keys.get("prompt")
    if part is None:
        return None
    try:
        return compile_prompt(part.value)
    except TemplateError as error:
        at = (*part.spot, *error.path)
        reading.mistake(f"prompt: {error}", at=at)
        return None


def read_filename(section: Section, *, reading: Reading) -> Template | None:
    """Return the block's file name, if it has one that can be read."""
    part = section.keys.get("filename")
    if part is None:
        return None
    if not isinstance(part.value, str) or not part.value.strip():
        text = (
            f'filename is {_shown(part.value)}. It takes a text: "{{{{ style }}}}/{{{{ seed }}}}".'
        )
        reading.mistake(text, at=part.spot)
        return None
    try:
        return compile_filename(part.value)
    except TemplateError as error:
        reading.mistake(f"filename: {error}", at=part.spot)
        return None


def read_key(section: Section, *, names: Sequence[str], reading: Reading) -> list[Path]:
    """Return the paths of what counts for the identity besides what is sent."""
    part = section.keys.get("key")
    if part is None:
        return []
    entries = part.value if isinstance(part.value, list) else [part.value]
    paths = []
    for entry in entries:
        if not isinstance(entry, str):
            text = f"key is {kind_of(entry)}. It takes the name of a variable, or several: [a, b]."
            reading.mistake(text, at=part.spot)
            continue
        first, *rest = (entry,) if entry in names else entry.split(".")
        if first in names:
            paths.append((first, *rest))
            continue
        near = get_close_matches(entry, names, n=1)
        guess = f" Did you mean '{near[0]}'?" if near else ""
        listed = f" There are {', '.join(names)}." if names else ""
        reading.mistake(f"key: there is no variable '{entry}'.{guess}{listed}", at=part.spot)
    return paths


def read_draw(section: Section, *, reading: Reading) -> DrawRequest | None:
    """Return what `draw:` asks for."""
    part = section.keys.get("draw")
    if part is None:
        return None
    takes = "draw takes {jobs: 1000, seed: 7}"
    if not isinstance(part.value, dict):
        reading.mistake(f"{takes}; this is {_shown(part.value)}.", at=part.spot)
        return None
    for name in part.value:
        if name not in ("jobs", "seed"):
            near = get_close_matches(name, ("jobs", "seed"), n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            text = f"{takes}; there is no '{name}'.{guess}"
            reading.mistake(text, at=(*part.spot, name), key=True)
    jobs = _whole(part.value.get("jobs"))
    if jobs is None or jobs < 1:
        shown = _shown(part.value["jobs"]) if "jobs" in part.value else "missing"
        text = f"draw: jobs is {shown}. It takes a whole number from 1 on."
        reading.mistake(text, at=(*part.spot, "jobs"))
        return None
    seed = part.value.get("seed", 0)
    if not isinstance(seed, int | str) or isinstance(seed, bool):
        text = f"draw: seed is {kind_of(seed)}. It takes a number or a text."
        reading.mistake(text, at=(*part.spot, "seed"))
        return None
    return DrawRequest(jobs=jobs, seed=seed, part=part)


def _whole(value: Json) -> int | None:
    """Return a whole number that is not negative, written as one or as text; None if it is none."""
    if value is None or isinstance(value, bool | dict | list):
        return None
    text = print_scalar(value)
    return int(text) if _WHOLE.fullmatch(text) else None


def _shown(value: Json) -> str:
    if value is None or value == "" or isinstance(value, dict | list):
        return kind_of(None if value == "" else value)
    return f"'{print_scalar(value)}'"


def _list_hint(name: str, value: Json, endpoint: Endpoint) -> str:
    """Return what to write for several values, each of which the parameter takes."""
    values = value.split("|") if isinstance(value, str) else value
    if not isinstance(values, list) or not values[1:]:
        return ""
    for one in values:
        try:
            endpoint.settle(name, one)
        except ValueError:
            return ""
    shown = ", ".join(print_scalar(one) for one in values if not isinstance(one, dict | list))
    return f"\n  Several values make an axis: grid: {{{name}: [{shown}]}}."
