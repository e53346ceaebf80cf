"""The keys of a manifest, and what other tools call the same things."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from batchgen.endpoint import Endpoint
from batchgen.job import Json
from batchgen.settings import ALSO_CALLED, OPTIONS

OUTSIDE_ONLY = ("batch", "run", "sweeps")
OF_BLOCKS = (
    "endpoint",
    "prompt",
    "variables",
    "parameters",
    "grid",
    "exclude",
    "include",
    "rows",
    "repeat",
    "draw",
    "seed",
    "filename",
    "key",
)
OF_MANIFEST = ("batch", *OF_BLOCKS, "sweeps", "run")
OF_SWEEP = ("name", *OF_BLOCKS)

# A place for anchors.
IGNORED = "x-"

_ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(("matrix", "axes", "axis", "product", "combinations"), "grid"),
    **dict.fromkeys(("model", "model_id", "app", "application", "engine", "provider"), "endpoint"),
    **dict.fromkeys(
        ("count", "n", "times", "takes", "iterations", "repeats", "replicates"), "repeat"
    ),
    **dict.fromkeys(
        ("params", "parameter", "input", "inputs", "arguments", "args", "payload"), "parameters"
    ),
    **dict.fromkeys(("constants", "const", "values"), "variables"),
    **dict.fromkeys(("data", "dataset", "csv", "table", "items", "row", "records"), "rows"),
    **dict.fromkeys(("template", "text", "prompt_template"), "prompt"),
    **dict.fromkeys(("output", "outputs", "file", "filenames", "path", "out"), "filename"),
    **dict.fromkeys(("skip", "excludes", "except", "without", "ignore"), "exclude"),
    **dict.fromkeys(("includes", "extra", "extras", "also"), "include"),
    **dict.fromkeys(("seeds", "random_seed"), "seed"),
    **dict.fromkeys(("subset", "random"), "draw"),
    **dict.fromkeys(("keys", "id", "ids"), "key"),
    **dict.fromkeys(("sweep", "blocks", "experiments", "runs"), "sweeps"),
    **dict.fromkeys(("options", "config", "settings", "execution"), "run"),
    **dict.fromkeys(("name", "project", "job", "title"), "batch"),
}
_IN_PLACE = {
    "vars": "'vars' is called 'rows' here (a table, or a list of mappings), "
    "or 'variables' (constants).",
    "prompts": "'prompts': several prompts are an axis, grid: {prompt: [a fox, an owl]}, "
    "or rows, rows: prompts.csv.",
    "sample": "'sample' is an option of the command: --sample 40. A random part that belongs to "
    "the manifest is draw: {jobs: 40, seed: 1}.",
}


def meant_key(key: str, value: Json, *, known: tuple[str, ...]) -> str | None:
    """Return the key that another one was probably meant to be, or None."""
    tidy = key.strip().casefold().replace("-", "_").replace(" ", "_")
    if tidy == "vars":
        return "variables" if isinstance(value, dict) else "rows"
    if tidy in (*OUTSIDE_ONLY, *OPTIONS, *ALSO_CALLED):
        return None
    near = get_close_matches(tidy, known, n=1)
    meant = _ELSEWHERE.get(tidy) or (near[0] if near else None)
    if meant == "sweeps" and not isinstance(value, list):
        return None
    return meant if meant in known else None


def unknown_key(key: str, *, known: tuple[str, ...], endpoint: Endpoint) -> str:
    """Return the sentence about a key that a manifest does not have, and what to write.

    Args:
        key: The key.
        known: The keys that there are at its place.
        endpoint: Whose parameters may have been meant.
    """
    tidy = key.strip().casefold().replace("-", "_").replace(" ", "_")
    if tidy in _IN_PLACE:
        return _IN_PLACE[tidy]
    if endpoint.knows(tidy) and tidy not in known:
        return f"'{key}' stands under parameters, parameters: {{{tidy}: …}}, or is an axis in grid."
    if tidy in OUTSIDE_ONLY and tidy not in known:
        return f"'{key}' stands outside sweeps only."
    if tidy in (*OPTIONS, *ALSO_CALLED):
        return f"'{key}' stands under run: run: {{{tidy}: …}}."
    if _ELSEWHERE.get(tidy) in known:
        return f"'{key}' is called '{_ELSEWHERE[tidy]}' here."
    if "negative" in tidy:
        return endpoint.lacks(tidy)
    near = get_close_matches(tidy, known, n=1)
    guess = f" Did you mean '{near[0]}'?" if near else ""
    return f"there is no key '{key}'.{guess} There are {', '.join(known)}."
