"""The sample manifests: what they make, what they cost, and that this never changes by accident."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen import load_manifest

FOLDER = Path(__file__).parents[2] / "sample_manifests"
SAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix in (".yaml", ".csv"))

_LISTED = re.compile(
    r"^\| \[(?P<name>[^\]]+)\]\((?P=name)\) \| .* \| (?P<jobs>[\d,]+) \| \$(?P<cost>[\d.]+) \|$",
    re.MULTILINE,
)

# The first job's id, and the first 16 digits of the SHA-256 over all ids in order. An id that
# changes buys every image of every batch again: never change these without a new version of
# the identity's rule.
PINNED: dict[str, tuple[str, str]] = {
    "drawn.yaml": ("sxkkzomzklynsulm", "13fbf0a6570b09b7"),
    "holes.yaml": ("vmosvsytukukmyxm", "f9c33a6ff9f68abd"),
    "json-prompt.yaml": ("xsnsqsmlzyutvtwm", "89098549a54f8fd2"),
    "overnight.yaml": ("tkynvknnpkuumxys", "4147cd8003f79b5f"),
    "quickstart.yaml": ("wvuuusmmrtoxnkzp", "742728ad84052eba"),
    "rows-and-grid.yaml": ("mnokstluzmoxmplv", "c6fa0922035cfbef"),
    "sweeps.yaml": ("vwtykzpnnssqvvuw", "25cbad826d97459d"),
    "table.csv": ("klkwzypxrrsouwpo", "f5b57fad3987aa9e"),
    "takes.yaml": ("qxrwotxpoxuqskxx", "9c713e818d54aa53"),
    "zipped.yaml": ("vkxussqomvxrnokm", "5cd0a0af67fbcb58"),
}

PRINT_JOBS = """
import json, sys
from batchgen import load_manifest
for path in sys.argv[1:]:
    for job in load_manifest(path).jobs():
        print(job)
"""


def name_of(path: Path) -> str:
    return path.name


def fingerprint(path: Path) -> tuple[str, str]:
    ids = [job.job_id for job in load_manifest(path).jobs()]
    return ids[0], hashlib.sha256(json.dumps(ids).encode()).hexdigest()[:16]


@pytest.mark.parametrize("path", SAMPLES, ids=name_of)
def test_a_sample_makes_and_costs_what_the_readme_says(path: Path) -> None:
    listed = {
        found["name"]: found for found in _LISTED.finditer((FOLDER / "README.md").read_text())
    }
    jobs = {job.job_id: job for job in load_manifest(path).jobs()}

    assert f"{len(jobs):,}" == listed[path.name]["jobs"]
    assert sum(job.price_usd or 0 for job in jobs.values()) == Decimal(listed[path.name]["cost"])


@pytest.mark.parametrize("path", SAMPLES, ids=name_of)
def test_a_sample_is_free_of_warnings_problems_and_duplicates(path: Path) -> None:
    manifest = load_manifest(path)
    jobs = list(manifest.jobs())

    assert manifest.warnings == ()
    assert not [job.problem for job in jobs if job.problem]
    assert len({job.job_id for job in jobs}) == len({job.file for job in jobs}) == len(jobs)
    assert manifest.count() == len(jobs)


@pytest.mark.parametrize("path", SAMPLES, ids=name_of)
def test_the_ids_of_a_sample_never_change(path: Path) -> None:
    assert fingerprint(path) == PINNED[path.name]


def test_the_samples_render_the_same_whatever_the_hash_seed_is() -> None:
    printed = [
        subprocess.run(
            [sys.executable, "-c", PRINT_JOBS, *map(str, SAMPLES)],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for seed in ("1", "2")
    ]

    assert printed[0] == printed[1]
    assert printed[0].count(b"\n") > 600


def test_the_quickstart_costs_less_than_a_dollar() -> None:
    manifest = load_manifest(FOLDER / "quickstart.yaml")

    assert manifest.count() == 8
    bound = manifest.price_bound_usd()
    assert bound is not None
    assert bound < 1
