"""`run:` → the options that it sets, in their types."""

from __future__ import annotations

from difflib import get_close_matches

from batchgen.job import Json
from batchgen.manifest.reading import Reading
from batchgen.scalar import kind_of
from batchgen.settings import ALSO_CALLED, OPTIONS, Setting, settle

_KEY = "run"
# Options of the command alone: they say what this one call is to do.
_COMMAND_ONLY = frozenset(
    {"all", "dry_run", "env_file", "jobs_dir", "json", "limit", "quiet", "sample", "simulate",
     "verbose", "yes"}
)  # fmt: skip
_ELSEWHERE = {
    "cap": "concurrency",
    "jobs": "concurrency",
    "max_concurrency": "concurrency",
    "max_cost": "budget_usd",
    "max_retries": "max_attempts",
    "max_usd": "budget_usd",
    "parallel": "concurrency",
    "rate_limit": "rate",
    "retries": "max_attempts",
    "stop_at": "until",
    "workers": "concurrency",
}


def load_run(value: Json, *, reading: Reading) -> dict[str, Setting]:
    """Return the options that `run:` sets; what is wrong with it is noted."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        text = (
            f"run is {kind_of(value)}. It takes options: run: {{concurrency: 20, budget_usd: 25}}."
        )
        reading.mistake(text, at=(_KEY,))
        return {}
    found: dict[str, Setting] = {}
    for key, written in value.items():
        option = ALSO_CALLED.get(key, key)
        if option not in OPTIONS:
            reading.mistake(_unknown(key), at=(_KEY, key), key=True)
        elif option in found:
            reading.mistake(f"run: {option} is given twice.", at=(_KEY, key), key=True)
        else:
            try:
                found[option] = settle(option, written)
            except ValueError as error:
                reading.mistake(f"run: {error}", at=(_KEY, key))
    return found


def _unknown(key: str) -> str:
    tidy = key.strip().casefold().replace("-", "_")
    if tidy in _COMMAND_ONLY:
        option = tidy.replace("_", "-")
        return f"run: '{key}' is an option of the command, not of the file: --{option}."
    meant = _ELSEWHERE.get(tidy)
    if meant is None:
        near = get_close_matches(tidy, (*OPTIONS, *ALSO_CALLED), n=1)
        meant = near[0] if near else None
    guess = f" Did you mean '{meant}'?" if meant else ""
    return f"run: there is no option '{key}'.{guess} There are {', '.join(OPTIONS)}."
