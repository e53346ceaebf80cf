"""The documentation against the product: manifests load, commands run, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from support.console import Terminal, calls, is_said
from support.pages import ROOT, Block, anchors, blocks, links, pages

import batchgen
from batchgen.cli.app import COMMANDS, app
from batchgen.ledger import HEAD, TAIL
from batchgen.redo_file import REDO_COLUMNS
from batchgen.settings import OPTIONS
from batchgen.state import AttemptState

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]
TABLES = [
    block for block in BLOCKS if block.info == "csv" and "prompt" in block.body.split("\n", 1)[0]
]
SAMPLES = sorted(
    path
    for path in (ROOT / "sample_manifests").iterdir()
    if path.suffix in (".yaml", ".csv", ".tsv", ".jsonl")
)

# Runs a page's Python as a notebook does, where `await` may stand by itself.
NOTEBOOK = """
import ast, asyncio, inspect, sys
code = compile(sys.stdin.read(), "page", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
result = eval(code, {})
if inspect.iscoroutine(result):
    asyncio.run(result)
"""

_COUNTED = re.compile(r"# (?P<jobs>[\d,]+) jobs?, \$(?P<cost>[\d,.]+)\n")


def of_kind(*kinds: str) -> list[Block]:
    return [block for block in BLOCKS if block.info in kinds]


def name_of(thing: object) -> str:
    return thing.relative_to(ROOT).as_posix() if isinstance(thing, Path) else str(thing)


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    """A folder with every file whose content a page shows."""
    for block in BLOCKS:
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sample manifests, and the quickstart as it ran."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "sample_manifests", folder / "sample_manifests")
    ran = subprocess.run(
        [sys.executable, "-m", "batchgen", "run", "sample_manifests/quickstart.yaml", "--simulate"],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert ran.returncode == 0, ran.stderr
    return folder


@pytest.mark.parametrize("block", of_kind("yaml"), ids=name_of)
def test_a_manifest_on_a_page_loads_and_makes_what_the_page_says(shelf: Path, block: Block) -> None:
    file = shelf / "m.yaml"
    file.write_text(block.body, encoding="utf-8")

    plan = batchgen.plan(file, jobs_dir=shelf / "jobs")

    counted = _COUNTED.match(block.body)
    assert counted is not None, "its first line says how many jobs it makes, and what they cost"
    assert f"{plan.report.jobs:,} {plan.cost_usd:,.2f}" == f"{counted['jobs']} {counted['cost']}"
    assert plan.warnings == ()
    assert plan.census.unfit == ()


@pytest.mark.parametrize("block", of_kind("yaml wrong"), ids=name_of)
def test_a_wrong_manifest_on_a_page_is_refused_as_the_page_says(shelf: Path, block: Block) -> None:
    file = shelf / "m.yaml"
    file.write_text(block.body, encoding="utf-8")
    answer = BLOCKS[BLOCKS.index(block) + 1]

    with pytest.raises(batchgen.ManifestError) as caught:
        batchgen.load_manifest(file)

    assert str(caught.value).replace(str(file), "m.yaml").strip() == answer.body.strip()


@pytest.mark.parametrize("block", TABLES, ids=name_of)
def test_a_table_on_a_page_that_is_a_manifest_loads(shelf: Path, block: Block) -> None:
    plan = batchgen.plan(shelf / block.file, jobs_dir=shelf / "jobs")

    assert plan.report.jobs > 1
    assert plan.warnings == ()


@pytest.mark.parametrize("sample", SAMPLES, ids=name_of)
def test_every_sample_manifest_loads_and_plans(tmp_path: Path, sample: Path) -> None:
    plan = batchgen.plan(sample, jobs_dir=tmp_path)

    assert plan.report.jobs > 0
    assert plan.cost_usd is not None
    assert plan.census.unfit == ()


@pytest.mark.parametrize("block", of_kind("python"), ids=name_of)
def test_python_on_a_page_runs(shop: Path, block: Block) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", NOTEBOOK],
        cwd=shop,
        input=block.body,
        capture_output=True,
        text=True,
        timeout=100,
    )

    assert ran.returncode == 0, ran.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="the pages show a shell of Linux and macOS")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(b.info == "console" for b in blocks(page))], ids=name_of
)
def test_what_a_page_shows_of_a_terminal_is_what_comes_out(tmp_path: Path, page: Path) -> None:
    shutil.copytree(ROOT / "sample_manifests", tmp_path / "sample_manifests")
    terminal = Terminal(folder=tmp_path)
    for block in blocks(page):
        if block.file:
            (tmp_path / block.file).write_text(block.body, encoding="utf-8")
        for call in calls(block.body) if block.info == "console" else ():
            said = terminal.run(call)
            assert is_said(call.expected, said), f"{block}: $ {call.command}\n{said}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for target in links(page):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        goal = (page.parent / path).resolve() if path else page
        assert goal.exists(), target
        assert not anchor or anchor in anchors(goal), target


def commands_of(block: Block) -> Iterator[list[str]]:
    """Yield what a block calls batchgen with."""
    for line in block.body.replace("\\\n", " ").splitlines():
        found = re.search(r"(?:^|[\s/\\])batchgen (?P<rest>[a-z][^|&;]*)", line)
        if found is None or (block.info == "console" and not line.startswith("$ ")):
            continue
        yield shlex.split(found["rest"], comments=True)


@pytest.mark.parametrize("block", of_kind("sh", "console", "powershell"), ids=name_of)
def test_a_command_on_a_page_exists_with_all_its_options(block: Block) -> None:
    for name, *arguments in commands_of(block):
        assert name in COMMANDS, name
        command = app.get_command(click.Context(app), name)
        assert command is not None
        parser = command.make_parser(click.Context(command))
        parser.ignore_unknown_options = False
        parser.parse_args(list(arguments))  # raises where an option does not exist


def test_the_ledgers_page_has_every_column_and_every_state() -> None:
    page = (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8")

    for name in (*HEAD, *TAIL, *AttemptState, *REDO_COLUMNS):
        assert f"`{name}`" in page, name


def test_the_manifests_page_has_every_option_of_a_run() -> None:
    page = (ROOT / "docs" / "manifest.md").read_text(encoding="utf-8")
    section = page.split("\n## `run`\n")[1].split("\n## ")[0]

    assert [name for name in OPTIONS if f"\n  {name}:" not in section] == []


def test_the_readme_has_every_name_of_the_front_door() -> None:
    page = (ROOT / "README.md").read_text(encoding="utf-8").split("\n## Python\n")[1]

    missing = [name for name in batchgen.__all__ if f"`{name}`" not in page]
    assert missing == ["__version__"]


def test_the_readme_has_one_line_to_begin_with_and_one_for_the_tests() -> None:
    lines = [line for block in blocks(ROOT / "README.md") for line in block.body.splitlines()]
    on_unix = [line for line in lines if line.startswith("python3 -m venv .venv && ")]
    on_windows = [line for line in lines if line.startswith("py -m venv .venv; ")]

    for begin, tests in (on_unix, on_windows):
        assert begin.endswith("quickstart.yaml --simulate")
        assert " -m pytest " in tests
    assert (ROOT / "sample_manifests" / "quickstart.yaml").exists()


def test_the_changelog_has_this_version() -> None:
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")

    assert f"\n## {batchgen.__version__} (" in page
