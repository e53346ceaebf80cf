"""The simulator is a second reading of the protocol: it must not read with the client's eyes."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import batchgen.simulator

MODULES = sorted(Path(batchgen.simulator.__file__).parent.glob("*.py"))


def imported(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_of_batchgen_the_simulator_knows_the_errors_alone(module: Path) -> None:
    ours = {name for name in imported(module) if name.split(".")[0] == "batchgen"}

    others = {name for name in ours if not name.startswith("batchgen.simulator")}
    assert others <= {"batchgen.errors"}
