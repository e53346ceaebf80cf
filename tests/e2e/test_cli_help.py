"""The help: complete, the same everywhere, and there at once."""

from __future__ import annotations

import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from batchgen.cli.app import COMMANDS, app
from batchgen.version import VERSION

ROOT = Path(__file__).parents[2]
GENERATOR: dict[str, Any] = runpy.run_path(str(ROOT / "docs" / "generate_help.py"))

# What a command line of two words may use of a processor, in seconds.
MOST_CPU_S = 0.2

# Packages that `--help` has no use for, each of which takes long to import.
HEAVY = ("aiohttp", "pandas", "numpy", "PIL", "jinja2", "jsonschema", "yaml", "uvloop")


def load(name: str) -> click.Command:
    command = app.get_command(click.Context(app), name)
    assert command is not None
    return command


def first_sentence(command: click.Command) -> str:
    return " ".join((command.help or "").split("\n\n")[0].split())


def batchgen(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "batchgen", *arguments],
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_each_command_says_of_itself(name: str) -> None:
    assert first_sentence(load(name)) == COMMANDS[name]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches_and_every_option_is_explained(name: str) -> None:
    command = load(name)

    assert f"batchgen {name}" in (command.help or ""), "its help has an example"
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert option.help.endswith("."), option.help


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_fits_a_terminal_of_100_columns(name: str) -> None:
    help_of: Callable[[str], str] = GENERATOR["help_of"]

    assert max(map(len, help_of(name).splitlines())) <= 100


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_prints_its_help_on_stdout(name: str) -> None:
    ran = batchgen(name, "--help")

    assert ran.returncode == 0
    assert ran.stdout.startswith(f"Usage: batchgen {name} ")
    assert ran.stderr == ""


def test_there_is_a_module_for_every_command_and_a_command_for_every_such_module() -> None:
    folder = ROOT / "batchgen" / "cli"
    with_command = {
        path.stem
        for path in folder.glob("*.py")
        if re.search(r"^@click\.command\(", path.read_text(encoding="utf-8"), re.MULTILINE)
    }

    assert with_command == set(COMMANDS)


def test_without_a_command_the_help_is_shown() -> None:
    ran = batchgen()

    assert ran.returncode == 0
    assert all(f"  {name} " in ran.stdout + ran.stderr for name in COMMANDS)


def test_the_version_is_the_packages() -> None:
    ran = batchgen("--version")

    assert ran.stdout.strip().endswith(VERSION)


@pytest.mark.parametrize("page", GENERATOR["pages"](), ids=lambda page: page.name)
def test_a_page_has_the_parts_that_the_code_knows_better(page: Path) -> None:
    text = page.read_text(encoding="utf-8")

    assert GENERATOR["rewritten"](text) == text, "run: python docs/generate_help.py"


def test_the_help_imports_nothing_that_takes_long() -> None:
    code = (
        "import sys; from batchgen.cli.app import run_command_line; "
        "code = run_command_line(['--help']); "
        f"print(code, sorted(set({HEAVY!r}) & set(sys.modules)), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert ran.stderr.strip() == "0 []"


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the time of a child")
def test_the_help_is_there_at_once() -> None:
    assert min(cpu_s_of_help() for _ in range(5)) < MOST_CPU_S


def cpu_s_of_help() -> float:
    before = os.times()
    batchgen("--help")
    after = os.times()
    return (after.children_user + after.children_system) - (
        before.children_user + before.children_system
    )


def test_a_command_that_does_not_exist_ends_with_2_and_says_what_there_is() -> None:
    ran = batchgen("rum", "shots.yaml")

    assert ran.returncode == 2
    assert "rum" in ran.stderr
    assert ran.stdout == ""
