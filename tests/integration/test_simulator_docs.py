"""The simulator's page in the docs against the simulator.

`python tests/integration/test_simulator_docs.py` writes the parts of the page that are made.
"""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from batchgen.cli.simulate import command
from batchgen.simulator.admin_api import AdminApi
from batchgen.simulator.catalogue import catalogue_markdown

PAGE = Path(__file__).parents[2] / "docs" / "simulator.md"


def options() -> str:
    rows = ["| option | default | what it does |", "| --- | --- | --- |"]
    for option in command.params:
        assert isinstance(option, click.Option)
        shown = option.default if option.show_default else ""
        value = "" if option.is_flag else f" {option.metavar or option.type.name.upper()}"
        rows.append(f"| `{option.opts[0]}{value}` | {shown} | {option.help} |")
    return "\n".join(rows).replace(" RANGE", "") + "\n"


PARTS = {"faults": catalogue_markdown(), "options": options()}


def between(name: str) -> re.Pattern[str]:
    return re.compile(f"(<!-- {name}: begin -->\n).*(<!-- {name}: end -->)", re.DOTALL)


@pytest.mark.parametrize("name", PARTS)
def test_the_page_is_what_the_code_says(name: str) -> None:
    found = between(name).search(PAGE.read_text(encoding="utf-8"))

    assert found is not None
    assert found[0].split("-->\n", 1)[1].removesuffix(found[2]).strip() == PARTS[name].strip()


def test_every_call_behind_the_door_is_on_the_page() -> None:
    page = PAGE.read_text(encoding="utf-8")

    for method, path, _ in AdminApi.routes(AdminApi.__new__(AdminApi)):
        assert method == "*" or f"`{method} {path}`" in page


if __name__ == "__main__":
    text = PAGE.read_text(encoding="utf-8")
    for part, made in PARTS.items():
        text = between(part).sub(lambda found, made=made: f"{found[1]}\n{made}\n{found[2]}", text)  # type: ignore[misc]  # the default binds it
    PAGE.write_text(text, encoding="utf-8")
