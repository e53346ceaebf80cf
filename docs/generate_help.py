"""Write those parts of the documentation that the code knows better.

::

    python docs/generate_help.py

A part stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->`; whatever is between them is
replaced. A test compares the pages with what this would write.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

import click

from batchgen.cli.app import COMMANDS, app
from batchgen.retry import TRANSIENT_CODES, TRANSIENT_TYPES
from batchgen.settings import OPTIONS

ROOT = Path(__file__).resolve().parents[1]
WIDTH = 100


def help_of(name: str) -> str:
    """Return what `batchgen NAME --help` says, on a terminal of 100 columns."""
    settings = {**app.context_settings, "terminal_width": WIDTH}
    above = click.Context(app, info_name="batchgen", **settings)
    if not name:
        return app.get_help(above)
    command = app.get_command(above, name)
    if command is None:
        raise KeyError(name)
    return command.get_help(click.Context(command, info_name=name, parent=above))


def commands() -> str:
    """Return a table of all commands, each with a link to its help."""
    rows = [
        f"| [`batchgen {name}`](docs/commands.md#batchgen-{name}) | {line} |"
        for name, line in COMMANDS.items()
    ]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


def helps() -> str:
    """Return the help of every command, each under its heading."""
    parts = [f"## batchgen {name}\n\n```text\n{help_of(name).rstrip()}\n```" for name in COMMANDS]
    return "\n\n".join(["```text\n" + help_of("").rstrip() + "\n```", *parts])


def parameters() -> str:
    """Return a table of what the endpoint takes."""
    described = _description()
    properties: dict[str, dict[str, Any]] = described["parameters"]["properties"]
    rows = [
        f"| `{name}` | {_takes(schema)} | {_default(described['defaults']['1'].get(name))} |"
        for name, schema in properties.items()
    ]
    return "\n".join(["| parameter | takes | default |", "| --- | --- | --- |", *rows])


def prices() -> str:
    """Return what an image costs, and since when that is known."""
    price = _description()["price"]
    unit = Decimal(price["unit_usd"])
    sizes = ", ".join(f"{size} ${unit * Decimal(n):.2f}" for size, n in price["units"].items())
    more = ", ".join(f"{one['name']} ${one['usd']} more" for one in price["surcharges"])
    return f"By the prices of {price['date']} an image costs, in {sizes}; {more}."


def transient() -> str:
    """Return the error types that are tried again by themselves."""
    names = sorted({*TRANSIENT_TYPES, *TRANSIENT_CODES})
    return _wrapped(", ".join(f"`{name}`" for name in names))


def run_options() -> str:
    """Return the names of the options that the manifest's `run:` takes."""
    return _wrapped(", ".join(f"`{name}`" for name in OPTIONS))


PARTS: dict[str, Callable[[], str]] = {
    "commands": commands,
    "helps": helps,
    "parameters": parameters,
    "prices": prices,
    "run options": run_options,
    "transient": transient,
}


def pages() -> list[Path]:
    """Return the pages that have such parts."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def rewritten(text: str) -> str:
    """Return a page with its parts as the code has them now."""
    for name, make in PARTS.items():
        part = re.compile(f"(<!-- {name}: begin -->\n).*?(<!-- {name}: end -->)", re.DOTALL)
        if found := part.search(text):
            text = f"{text[: found.end(1)]}{make()}\n{text[found.start(2) :]}"
    return text


def _description() -> dict[str, Any]:
    """Return the description of the endpoint that is the default, as its file has it."""
    path = ROOT / "batchgen" / "endpoints" / "nano-banana-2.json"
    return cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))


def _takes(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if schema["type"] == "integer" and schema.get("maximum", 1000) < 1000:
        return f"{schema['minimum']} to {schema['maximum']}"
    return {"boolean": "`true`, `false`", "integer": "a whole number"}.get(schema["type"], "text")


def _default(value: object) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _wrapped(text: str) -> str:
    lines: list[str] = []
    for word in text.split(" "):
        if lines and len(lines[-1]) + 1 + len(word) <= WIDTH:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return "\n".join(lines)


def main() -> None:
    """Rewrite every page."""
    for page in pages():
        old = page.read_text(encoding="utf-8")
        new = rewritten(old)
        if new != old:
            page.write_text(new, encoding="utf-8")


if __name__ == "__main__":
    main()
