"""The house rules that no linter knows."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

import batchgen

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "batchgen"
SOURCES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = [path for path in SOURCES if path.name == "__init__.py"]

# In lines, without its docstring.
LONGEST_FUNCTION = 60
MOST_PARAMETERS = 8

# Where a run is put together, everything that it is made of comes in.
MANY_PARTS = (" launch",)

# Names that say nothing of the product.
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "core", "manager", "misc", "base"}

# The repository speaks of the product alone. Written in pieces, so that this page may be read too.
FOREIGN = re.compile(
    r"(?i:/wo"
    r"rk/(?:main|shared)|/tmp/br"
    r"iefs|\bassis"
    r"tants?\b|\bchat"
    r"bot|\bissue #?\d"
    r"|\bsub"
    r"agent|\blanguage mo"
    r"del)|\bTO"
    r"DO\b|\bFIX"
    r"ME\b"
)


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tracked() -> list[Path]:
    """The files of the repository, or, of a copy without its history, all that were unpacked."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        return [
            path for name in listed.stdout.decode().split("\0") if (path := ROOT / name).is_file()
        ]
    unwanted = {".git", ".venv", "build", "dist", "jobs", "node_modules", "__pycache__"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file() and not unwanted & set(path.relative_to(ROOT).parts)
    ]


def modules() -> list[ModuleType]:
    names = [found.name for found in pkgutil.walk_packages([str(PACKAGE)], prefix="batchgen.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]


def test_the_front_door_is_a_sorted_list_of_names_that_can_be_imported() -> None:
    assert batchgen.__all__ == sorted(batchgen.__all__)
    assert len(set(batchgen.__all__)) == len(batchgen.__all__)
    for name in batchgen.__all__:
        assert getattr(batchgen, name) is not None
    assert dir(batchgen) == batchgen.__all__


def test_the_front_door_shows_checkers_what_it_shows_at_run_time() -> None:
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    for_checkers = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.If)
        for statement in node.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }

    assert for_checkers | {"__version__"} == set(batchgen.__all__)


def test_what_the_front_door_shows_is_described() -> None:
    for name in batchgen.__all__:
        value = getattr(batchgen, name)
        assert isinstance(value, str) or (value.__doc__ or "").strip(), name


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = batchgen.nothing


@pytest.mark.parametrize("path", PACKAGES[1:], ids=shown)
def test_a_package_names_all_that_it_offers(path: Path) -> None:
    module = importlib.import_module(dotted(path))
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(dotted(path))
        for alias in node.names
    }

    offered = getattr(module, "__all__", [])
    assert set(offered) >= imported
    for name in offered:
        assert hasattr(module, name)


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_module_is_named_after_something_and_begins_with_what_it_is_for(path: Path) -> None:
    assert path.stem not in EMPTY_NAMES
    assert path.parent.name not in EMPTY_NAMES
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", SOURCES, ids=shown)
def test_a_function_can_be_taken_in_at_a_glance(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        where = f"{shown(path)}:{node.lineno} {node.name}"
        arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
        named = [argument for argument in arguments if argument.arg not in ("self", "cls")]
        assert len(named) <= MOST_PARAMETERS or where.endswith(MANY_PARTS), where
        begins = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0].lineno
        assert (node.end_lineno or begins) - begins < LONGEST_FUNCTION, where


def test_only_the_command_line_prints() -> None:
    printing = [
        shown(path)
        for path in SOURCES
        if PACKAGE / "cli" not in path.parents
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]

    assert printing == []


def test_examples_in_docstrings_run() -> None:
    for module in modules():
        failed, _ = doctest.testmod(module)
        assert failed == 0, module.__name__


def test_every_module_has_its_place_in_the_picture_of_the_house() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.split("| layer |")[1].split("\n\n")[0]
    named = re.findall(r"`(\w+)`", table)

    there = {path.stem for path in PACKAGE.glob("[a-z]*.py")} | {
        path.parent.name for path in PACKAGES[1:]
    }
    assert sorted(named) == sorted(there - {"simulator"})


def test_every_decision_is_listed() -> None:
    folder = ROOT / "docs" / "decisions"
    page = (folder / "README.md").read_text(encoding="utf-8")
    written = sorted(path.name for path in folder.glob("[0-9]*.md"))

    assert [name for name in written if f"({name})" not in page] == []
    assert [int(name[:4]) for name in written] == list(range(1, len(written) + 1))


def test_the_repository_speaks_of_the_product_alone() -> None:
    found = []
    for path in tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # an image
        found += [f"{shown(path)}: {match[0]}" for match in FOREIGN.finditer(text)]

    assert found == []
