"""The objects of a JSONL file, and every line that is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from batchgen.job import Json
from batchgen.manifest.csv_rows import Report
from batchgen.scalar import read_number


class JsonObject(NamedTuple):
    """One object: its line, from 1, and its values."""

    line: int
    values: dict[str, Json]


def jsonl_objects(path: Path, *, report: Report) -> Iterator[JsonObject]:
    """Yield the objects of a JSONL file, empty lines left out.

    A number that would print otherwise than it is written (`1.10`) is text, and a null is an
    empty text. A line that is no object is reported and left out.
    """
    with path.open(encoding="utf-8-sig", newline="\n") as file:
        for line, text in enumerate(file, start=1):
            if text.isspace():
                continue
            try:
                values = _parse(text)
            except ValueError as error:
                report(line, _words(error))
            except RecursionError:
                report(line, "it is nested too deep.")
            else:
                yield JsonObject(line, values)


def _parse(text: str) -> dict[str, Json]:
    parsed: Json = json.loads(
        text,
        object_pairs_hook=_object,
        parse_int=read_number,
        parse_float=read_number,
        parse_constant=_refuse_constant,
    )
    if not isinstance(parsed, dict):
        raise _NoObjectError(f'it is {text.strip()[:40]}, not an object: write {{"name": …}}.')
    if "\\u" in text:
        _refuse_half_characters(parsed)
    return {key: "" if value is None else value for key, value in parsed.items()}


class _NoObjectError(ValueError):
    """A line that JSON reads, and we do not; its text is ours."""


def _object(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    parsed = dict(pairs)
    if len(parsed) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _NoObjectError(f"the key '{twice}' stands twice.")
    return parsed


def _refuse_constant(name: str) -> NoReturn:
    raise _NoObjectError(f"{name} is no JSON: write null, or leave the key out.")


def _refuse_half_characters(parsed: dict[str, Json]) -> None:
    try:
        json.dumps(parsed, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise _NoObjectError(
            f"\\u{ord(error.object[error.start]):04x} is half a character."
        ) from error


def _words(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        what = error.msg[:1].lower() + error.msg[1:]
        return f"this is no JSON object on one line: {what} (column {error.colno})."
    return str(error)
