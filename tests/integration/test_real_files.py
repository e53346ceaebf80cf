"""Manifests and tables as people write them are read exactly."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest

from batchgen.manifest.tables import open_table, read_lines
from batchgen.manifest.yaml_text import Document, read_yaml
from batchgen.scalar import print_scalar

DATA = Path(
    os.environ.get("BATCHGEN_SHARED_DATA") or Path(__file__).parents[2].parent / "shared" / "data"
)
MANIFESTS = DATA / "manifests"

pytestmark = pytest.mark.skipif(
    not MANIFESTS.is_dir(), reason=f"the shared data is not there ({DATA})"
)


def document(name: str) -> Document:
    found = read_yaml(MANIFESTS / name, shown_as=name)
    assert found.mistakes == ()
    return found


def test_every_prompt_of_partiprompts_is_read_byte_for_byte() -> None:
    raw = (DATA / "parti-prompts.tsv").read_bytes().decode().split("\n")
    expected = [tuple(line.split("\t")) for line in raw[1:] if line]

    rows = list(open_table(DATA / "parti-prompts.tsv", shown_as="parti-prompts.tsv"))

    assert len(rows) == 1632
    assert [tuple(map(print_scalar, row.cells.values())) for row in rows] == expected
    assert [row.line for row in rows] == list(range(2, 1634))
    assert sum(str(row.cells["Prompt"]) != str(row.cells["Prompt"]).strip() for row in rows) == 10


def test_a_feed_with_a_mark_keeps_every_cell() -> None:
    path = MANIFESTS / "products.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        expected = list(csv.DictReader(file))

    table = open_table(path, shown_as="products.csv")

    assert table.columns == ("sku", "title", "colour", "material", "url", "status", "resolution")
    assert len(table) == len(expected) == 1250
    assert [row.cells for row in table] == expected


def test_a_csv_manifest_keeps_bars_braces_and_leading_zeros() -> None:
    rows = list(open_table(MANIFESTS / "5-retakes.csv", shown_as="5-retakes.csv"))

    assert [row.cells["aspect_ratio"] for row in rows] == ["4:5|9:16", "1:1", "16:9", "auto"]
    assert [row.cells["repeat"] for row in rows] == ["", 4, 2, ""]
    assert rows[1].cells["prompt"] == "{{ client }} logo carved in ice, low sun"
    assert rows[3].cells["shot"] == "007"


def test_a_file_of_values_has_one_a_line() -> None:
    places = read_lines(MANIFESTS / "places.txt")

    assert len(places) == 400
    assert places[0] == (1, "on street number 0 of a European city")


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("1-weather-set.yaml", ("grid", "aspect_ratio", "weights", "16:9"), 3),
        ("1-weather-set.yaml", ("grid", "light", 2), "at night, street lamps on"),
        ("1-weather-set.yaml", ("parameters", "resolution"), "0.5K"),
        ("1-weather-set.yaml", ("run", "max_failures"), "2%"),
        ("2-shop-shots.yaml", ("grid", "scene", 2, "aspect_ratio"), "21:9"),
        ("2-shop-shots.yaml", ("run", "rate"), "5/s"),
        ("3-json-prompts.yaml", ("grid", "headline", 4), "C:\\>_"),
        ("3-json-prompts.yaml", ("grid", "palette", 0, 1), "#f2c14e"),
        ("3-json-prompts.yaml", ("prompt", "layout", "grid"), {"columns": 3, "margin": "5%"}),
        ("4-campaign.yaml", ("grid", "market", 0, "code"), "NO"),
        ("4-campaign.yaml", ("exclude", 1, "market.code"), ["DE", "US"]),
        ("6-model-ab.yaml", ("sweeps", 1, "parameters", "thinking_level"), "high"),
    ],
)
def test_a_manifest_means_what_it_looks_like(
    name: str, path: tuple[str | int, ...], value: object
) -> None:
    part = document(name).value
    for step in path:
        part = part[step]  # type: ignore[index,call-overload]  # a path that is there

    assert part == value


def test_the_hash_in_a_block_of_text_is_no_comment() -> None:
    prompt = document("2-shop-shots.yaml").value["prompt"]  # type: ignore[index,call-overload]  # a mapping

    assert str(prompt).endswith("85 mm, brand colour #7A8B6F in the background.")
