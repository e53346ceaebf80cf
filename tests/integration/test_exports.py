"""Exports against the programs that load them: every row, every column, every pixel."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import huggingface_hub
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image
from support.finished_batch import drawn_image, failed, finished_batch, flat_image

from batchgen.batch import Batch
from batchgen.errors import ExportError, UsageError
from batchgen.exports import (
    Exported,
    ExportOptions,
    export_batch,
    parse_copy,
    parse_dedup,
    parse_resize,
    parse_splits,
    parse_statuses,
)
from batchgen.exports.look import look_at
from batchgen.job import Job
from batchgen.ledger import LedgerRow
from batchgen.picks import read_picks

TESTS = Path(__file__).parents[1]

# Cells that programs which guess take for something else.
TRICKY = ["007", "NA", "1e5", "=SUM(A1)", "2024-01-01", "true", '"quoted", twice', "two\nlines", ""]

MANIFEST: dict[str, object] = {
    "batch": "zoo",
    "prompt": "{{ animal.name }} in {{ style }}, {{ note }}",
    "grid": {
        "animal": [{"name": "a fox", "label": "0"}, {"name": "an owl", "label": "1"}],
        "style": ["ink", "oil", "=woodcut"],
        "aspect_ratio": ["1:1", "16:9"],
    },
    "rows": [{"note": note} for note in TRICKY],
    "repeat": 2,
}
JOBS = 2 * 3 * 2 * len(TRICKY) * 2

SPLIT = "train=0.7,test=0.3"


def fate(job: Job, index: int) -> bytes | LedgerRow | None:
    """A PNG for the one, a JPEG for the other; some fail, some were never sent."""
    seed = job.seed or 0
    if seed % 50 == 0:
        return failed(job)
    if seed % 50 == 1:
        return None
    return drawn_image(seed, kind="JPEG" if job.input["aspect_ratio"] == "16:9" else "PNG")


@dataclass
class Shop:
    """A batch, and a folder for its exports."""

    folder: Path
    batch: Batch

    def export(self, to: str, at: str = "", /, **options: Any) -> Exported:
        """Export it to a folder of that name."""
        given = ExportOptions(to=to, out=self.folder / (at or to), **options)
        return export_batch(
            self.batch,
            given,
            now=lambda: datetime(2026, 11, 22, 21, 30, tzinfo=UTC),
            watch=lambda stage, done, total: None,
        )

    def path(self, *parts: str) -> Path:
        return self.folder.joinpath(*parts)

    @cached_property
    def ledger(self) -> dict[str, dict[str, str]]:
        """The ledger as the standard library reads it: image → its cells."""
        with self.batch.ledger_path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return {f"{row['job_id']}-{row['image_index']}": row for row in rows}

    @property
    def made(self) -> dict[str, dict[str, str]]:
        """The rows that have an image."""
        return {name: row for name, row in self.ledger.items() if row["status"] == "succeeded"}

    def pixels(self, name: str) -> str:
        """What one image of the batch shows, as `load_datasets` writes it."""
        return pixels_of(self.batch.folder / self.ledger[name]["file"])


def pixels_of(source: Path | io.BytesIO) -> str:
    with Image.open(source) as image:
        return f"{image.size} {hashlib.sha256(image.convert('RGB').tobytes()).hexdigest()}"


INTEGERS = {"image_index", "seed", "repeat", "width", "height", "bytes", "attempts"}
DECIMALS = {"cost_usd", "inference_s"}


def meant(name: str, cell: str) -> object:
    """Return what a cell of the ledger says."""
    if name in INTEGERS:
        return int(cell) if cell else None
    if name in DECIMALS:
        return float(cell) if cell else None
    return cell


def meant_row(row: dict[str, str]) -> dict[str, object]:
    return {name: meant(name, cell) for name, cell in row.items()}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("exports")
    return Shop(folder, finished_batch(folder, MANIFEST, fate))


@pytest.fixture(scope="module")
def loaded(shop: Shop) -> dict[str, Any]:
    """What `datasets` makes of the exports that it can load."""
    common: dict[str, Any] = {"splits": parse_splits(SPLIT)}
    text = (parse_copy("text=prompt"),)
    shop.export("imagefolder", "folder", copies=text, **common)
    shop.export("imagefolder", "whole", metadata="parquet")
    shop.export("parquet", copies=text, shard_images=40, **common)
    shop.export("webdataset", copies=text, shard_images=40, **common)
    names = ("folder", "whole", "parquet", "webdataset")
    ran = subprocess.run(
        [sys.executable, "-m", "support.load_datasets", *map(str, map(shop.path, names))],
        cwd=TESTS,
        env={
            "PATH": os.environ["PATH"],
            "HF_HOME": str(shop.path("cache")),
            "HOME": str(shop.folder),
            "HF_HUB_OFFLINE": "1",
            "PYTHONUTF8": "1",
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    return {name: found[str(shop.path(name))] for name in names}


def rows_of(found: dict[str, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    """Return image → its split and its row, whatever the format calls them."""
    rows = {}
    for split, listed in found["splits"].items():
        for row in listed:
            cells = row.get("json", row)
            image = row.get("image") or row.get("png") or row.get("jpg")
            name = f"{cells['job_id']}-{cells['image_index']}"
            assert name not in rows
            rows[name] = (split, {**cells, "image": image, "__txt__": row.get("txt")})
    return rows


@pytest.mark.parametrize("name", ["folder", "whole", "parquet", "webdataset"])
def test_datasets_loads_every_row_every_column_and_every_pixel(
    shop: Shop, loaded: dict[str, Any], name: str
) -> None:
    rows = rows_of(loaded[name])

    assert rows.keys() == shop.made.keys()
    for image, (_, row) in rows.items():
        expected = meant_row(shop.made[image])
        assert {column: row[column] for column in expected} == expected
        assert row["image"] == shop.pixels(image)
        assert row["blank"] is False
        if name == "webdataset":
            assert row["__txt__"] == expected["prompt"]
        if name != "whole":
            assert row["text"] == expected["prompt"]
    assert loaded[name]["streamed"] == len(shop.made)


def test_the_features_are_those_that_were_declared(loaded: dict[str, Any]) -> None:
    for name in ("folder", "parquet"):
        features = loaded[name]["features"]
        assert features["image"] == "image"
        assert features["note"] == features["animal.label"] == "string"
        assert features["seed"] == features["near_distance"] == "int64"
        assert features["cost_usd"] == "float64"
        assert features["finished_at"] == "timestamp[ms, tz=UTC]"
    features = loaded["webdataset"]["features"]
    assert features["png"] == features["jpg"] == "image"
    assert features["txt"] == features["__key__"] == "string"


def test_splits_are_the_same_everywhere_and_takes_stay_together(
    shop: Shop, loaded: dict[str, Any]
) -> None:
    by_format = [
        {image: split for image, (split, _) in rows_of(loaded[name]).items()}
        for name in ("folder", "parquet", "webdataset")
    ]
    assert by_format[0] == by_format[1] == by_format[2]
    assert set(by_format[0].values()) == {"train", "test"}

    together: dict[tuple[str, ...], set[str]] = {}
    for image, split in by_format[0].items():
        row = shop.made[image]
        key = (row["animal.name"], row["style"], row["aspect_ratio"], row["note"])
        together.setdefault(key, set()).add(split)
    assert all(len(splits) == 1 for splits in together.values())
    takes = Counter(shop.made[image]["repeat"] for image in by_format[0])
    assert set(takes) == {"0", "1"}


def test_a_group_never_sits_in_two_splits(shop: Shop) -> None:
    shop.export("csv", "grouped", splits=parse_splits(SPLIT), group_by=("note", "style"))

    table = pd.read_csv(shop.path("grouped", "table.csv"), dtype=str, keep_default_na=False)
    assert (table.groupby(["note", "style"])["split"].nunique() == 1).all()
    assert set(table["split"]) == {"train", "test"}


def test_a_split_that_stays_empty_is_said(shop: Shop) -> None:
    options: dict[str, Any] = {"splits": parse_splits("train=0.9999,test=0.0001")}
    exported = shop.export("imagefolder", "lean", metadata="jsonl", group_by=("style",), **options)

    assert exported.splits == {"train": len(shop.made), "test": 0}
    assert any("the split test is empty" in warning for warning in exported.warnings)
    card = huggingface_hub.DatasetCard.load(shop.path("lean", "README.md")).data.to_dict()
    assert [one["split"] for one in card["configs"][0]["data_files"]] == ["train"]


def test_shards_are_bounded_and_row_groups_small_enough_to_stream(
    shop: Shop, loaded: dict[str, Any]
) -> None:
    parquet = sorted(shop.path("parquet", "data").glob("*.parquet"))
    tars = sorted(shop.path("webdataset", "data").glob("*.tar"))
    in_train = len(loaded["parquet"]["splits"]["train"])
    shards = -(-in_train // 40)

    assert [path.name for path in parquet if path.name.startswith("train")] == [
        f"train-{number:05}-of-{shards:05}.parquet" for number in range(shards)
    ]
    assert max(pq.ParquetFile(path).metadata.num_rows for path in parquet) == 40
    assert len(tars) == len(parquet)

    shop.export("parquet", "groups")
    (whole,) = shop.path("groups", "data").iterdir()
    sizes = pq.ParquetFile(whole).metadata
    assert [sizes.row_group(n).num_rows for n in range(sizes.num_row_groups)][:1] == [100]


def test_a_shard_is_full_by_its_bytes_too(shop: Shop) -> None:
    shop.export("webdataset", "small", shard_bytes=20_000)

    for path in shop.path("small", "data").iterdir():
        with tarfile.open(path) as tar:
            images = [m.size for m in tar if not m.name.endswith((".json", ".txt"))]
        assert sum(images) <= 20_000
        assert images


def test_pyarrow_reads_the_images_and_the_types(shop: Shop, loaded: dict[str, Any]) -> None:
    rows = [
        row
        for path in sorted(shop.path("parquet", "data").glob("*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]

    assert len(rows) == len(shop.made)
    for row in rows:
        expected = shop.made[f"{row['job_id']}-{row['image_index']}"]
        assert row["image"]["bytes"] == (shop.batch.folder / expected["file"]).read_bytes()
        assert row["image"]["path"].endswith(Path(expected["file"]).suffix)
        assert row["note"] == expected["note"]
        assert row["finished_at"] == datetime(2026, 11, 22, 21, 30, 9, 250_000, tzinfo=UTC)


# Its decoders look for what they do not need, and it leaves files for the collector to close.
@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_the_webdataset_library_reads_every_sample(shop: Shop, loaded: dict[str, Any]) -> None:
    shards = sorted(map(str, shop.path("webdataset", "data").glob("*.tar")))

    samples = list(webdataset.WebDataset(shards, shardshuffle=False))

    assert {sample["__key__"] for sample in samples} == shop.made.keys()
    for sample in samples:
        expected = shop.made[sample["__key__"]]
        cells = json.loads(sample["json"])
        assert {name: cells[name] for name in expected} == meant_row(expected)
        assert sample["txt"].decode() == expected["prompt"]
        image = sample.get("png") or sample["jpg"]
        assert hashlib.sha256(image).hexdigest() == expected["sha256"]


def test_pandas_reads_the_csv_as_the_ledger(shop: Shop) -> None:
    exported = shop.export("csv", statuses=parse_statuses(("all",)))

    table = pd.read_csv(shop.path("csv", "table.csv"), dtype=str, keep_default_na=False)
    ledger = pd.read_csv(shop.batch.ledger_path, dtype=str, keep_default_na=False)
    pd.testing.assert_frame_equal(
        table[ledger.columns].drop(columns=["cost_usd", "inference_s"]),
        ledger.drop(columns=["cost_usd", "inference_s"]),
    )
    assert pd.to_numeric(table["cost_usd"]).tolist() == pd.to_numeric(ledger["cost_usd"]).tolist()
    assert exported.rows == len(ledger)
    assert exported.images == len(shop.made)


def test_a_workbook_keeps_text_and_runs_no_formula(shop: Shop) -> None:
    shop.export("xlsx", statuses=parse_statuses(("all",)))

    book = openpyxl.load_workbook(shop.path("xlsx", "table.xlsx"))
    header, *rows = book["images"].iter_rows()
    names = [cell.value for cell in header]
    assert len(rows) == len(shop.ledger)
    for cells in rows:
        row = dict(zip(names, cells, strict=True))
        index = row["image_index"].value
        expected = shop.ledger[f"{row['job_id'].value}-{'' if index is None else index}"]
        for name, cell in expected.items():
            value = meant(name, cell)
            assert row[name].value == (value if value != "" else None)
            assert row[name].data_type in ("n", "s", "b")
        if expected["note"]:
            assert row["note"].number_format == "@"
            assert row["note"].quotePrefix


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
def test_a_table_without_types_has_the_same_rows_and_says_what_loaders_guess(
    shop: Shop, ending: str
) -> None:
    exported = shop.export("imagefolder", ending, metadata=ending)

    path = shop.path(ending, "train", f"metadata.{ending}")
    if ending == "csv":
        with path.open(encoding="utf-8", newline="") as file:
            rows: list[dict[str, Any]] = list(csv.DictReader(file))
    else:
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len(shop.made)
    for row in rows:
        expected = shop.made[f"{row['job_id']}-{row['image_index']}"]
        assert str(row["note"]) == expected["note"]
        assert str(row["prompt"]) == expected["prompt"]
        image = path.parent / row["file_name"]
        assert hashlib.sha256(image.read_bytes()).hexdigest() == expected["sha256"]
    if ending == "csv":
        assert any("note" in warning for warning in exported.warnings)


def test_captions_stand_beside_their_images(shop: Shop) -> None:
    shop.export("captions", caption="{{ animal.name }}, {{ note }}", splits=parse_splits(SPLIT))

    with shop.path("captions", "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(shop.made)
    for row in rows:
        image = shop.path("captions", row["file_name"])
        said = image.with_suffix(".txt").read_bytes().decode()
        assert said == row["caption"] == f"{row['animal.name']}, {row['note']}"
        assert hashlib.sha256(image.read_bytes()).hexdigest() == row["sha256"]
    assert len(list(shop.path("captions").rglob("*.txt"))) == len(rows)


def test_files_have_the_names_of_a_template_and_may_be_links(shop: Shop) -> None:
    shop.export("files", name="{{ style }}/{{ aspect_ratio }}", is_linked=True)

    with shop.path("files", "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        image = shop.path("files", row["file_name"])
        assert image.samefile(shop.batch.folder / row["file"])
        assert row["file_name"].startswith(("ink/", "oil/", "=woodcut/"))
        assert row["job_id"] in row["file_name"]


def test_what_is_missing_is_listed_with_the_reason(shop: Shop) -> None:
    exported = shop.export("csv", "holes")

    with shop.path("holes", "missing.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert exported.holes.total() == len(rows) == JOBS - len(shop.made)
    assert exported.holes == Counter(row["error_type"] or row["why"] for row in rows)
    assert set(exported.holes) == {"content_policy_violation", "never sent"}
    assert {row["animal.name"] for row in rows} <= {"a fox", "an owl"}
    assert all(row["prompt"].startswith(row["animal.name"]) for row in rows)
    assert exported.exit_code == 0


def test_what_nobody_asked_for_is_not_missing(shop: Shop) -> None:
    asked = [name for name, row in shop.made.items() if row["style"] == "ink"]
    exported = shop.export("csv", "ink", where=("style=ink",))

    assert exported.images == len(asked)
    assert exported.images + exported.holes.total() == JOBS // 3


def test_a_value_that_nothing_has_is_said_beside_one_that_something_has(shop: Shop) -> None:
    exported = shop.export("csv", "inc", where=("style=ink", "style=inc", "animal.label=1"))

    assert exported.images
    assert exported.warnings == ("--where style=inc takes nothing: no row has that",)


def test_strict_writes_nothing_where_something_is_missing(shop: Shop) -> None:
    exported = shop.export("csv", "strict", is_strict=True)

    assert (exported.is_refused, exported.exit_code, exported.images) == (True, 1, 0)
    assert not shop.path("strict").exists()
    assert not list(shop.folder.glob(".strict*"))


def test_picks_decide(shop: Shop, tmp_path: Path) -> None:
    first, second, *others = shop.made
    picks = tmp_path / "picks.csv"
    lines = [f"{name.replace('-', ',')},picked" for name in (first, second)]
    lines += [f"{others[0].replace('-', ',')},rejected", f"{'k' * 16},0,picked"]
    picks.write_text("\n".join(["job_id,image_index,verdict", *lines, ""]), encoding="utf-8")

    exported = shop.export("csv", "picked", picks=read_picks(picks))

    assert exported.images == 2
    assert exported.holes == {"not in the ledger": 1}
    picks.write_text("\n".join(["job_id,image_index,verdict", lines[2], ""]), encoding="utf-8")
    assert shop.export("csv", "rest", picks=read_picks(picks)).images == len(shop.made) - 1


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_images_are_made_smaller_and_keep_their_shape(tmp_path: Path, kind: str) -> None:
    mode = "P" if kind == "GIF" else "RGB"
    batch = finished_batch(
        tmp_path,
        {"batch": "large", "prompt": "{{ n }}", "grid": {"n": ["1", "2"]}},
        lambda job, _: drawn_image(
            job.seed or 0, kind=kind, width=64 if job.variables["n"] == "1" else 16, mode=mode
        ),
    )
    shop = Shop(tmp_path, batch)

    shop.export("imagefolder", "small", metadata="jsonl", resize=parse_resize("32"))

    path = shop.path("small", "train", "metadata.jsonl")
    rows = {row["n"]: row for row in map(json.loads, path.read_text().splitlines())}
    sizes = {}
    for n, row in rows.items():
        with Image.open(path.parent / row["file_name"]) as image:
            sizes[n] = image.size
            assert image.format == kind
    assert sizes == {"1": (32, 16), "2": (16, 32)}
    assert {n: (row["resized_width"], row["resized_height"]) for n, row in rows.items()} == sizes
    assert "| 32 × 16 | 1 |" in shop.path("small", "README.md").read_text(encoding="utf-8")
    assert {n: (row["width"], row["height"]) for n, row in rows.items()} == {
        "1": (64, 32),
        "2": (16, 32),
    }


QUALITIES: dict[str, object] = {
    "batch": "quality",
    "prompt": "{{ what }}",
    "grid": {"what": ["one", "same", "again", "like", "other", "black", "grey", "gone", "torn"]},
    "repeat": 1,
}


@pytest.fixture
def quality(tmp_path: Path) -> Shop:
    """A batch with two of everything that nobody wants twice."""

    def fate(job: Job, index: int) -> bytes:
        what = str(job.variables["what"])
        if what in ("black", "grey"):
            level = 0 if what == "black" else 120
            return flat_image((level,) * 3, kind="JPEG" if what == "grey" else "PNG")
        if what == "like":
            return drawn_image(1, kind="JPEG", width=96, height=64)
        return drawn_image({"one": 1, "same": 1, "again": 1}.get(what, sum(what.encode())))

    shop = Shop(tmp_path, finished_batch(tmp_path, QUALITIES, fate))
    by_what = {row["what"]: shop.batch.folder / row["file"] for row in shop.made.values()}
    by_what["gone"].unlink()
    by_what["torn"].write_bytes(by_what["torn"].read_bytes()[:-20])
    return shop


def described(shop: Shop, name: str) -> dict[str, dict[str, str]]:
    with shop.path(name, "table.csv").open(encoding="utf-8", newline="") as file:
        return {row["what"]: row for row in csv.DictReader(file)}


def test_what_images_show_is_told_even_when_nothing_is_dropped(quality: Shop) -> None:
    exported = quality.export("files")

    rows = described(quality, "files")
    first = f"{rows['one']['job_id']}-0"
    assert {name: row["blank"] for name, row in rows.items()} == {
        **dict.fromkeys(("one", "same", "again", "like", "other"), "false"),
        **dict.fromkeys(("black", "grey"), "true"),
    }
    assert {what for what, row in rows.items() if row["duplicate_of"] == first} == {"same", "again"}
    assert {what for what, row in rows.items() if row["near_duplicate_of"] == first} == {"like"}
    assert int(rows["like"]["near_distance"]) <= 6
    assert exported.left_out == {}
    assert exported.holes == {"file missing": 1, "file damaged": 1}
    assert (exported.damaged, exported.exit_code) == (2, 1)


@pytest.mark.parametrize(
    ("dedup", "drop_blank", "left"),
    [
        ("exact", False, {"one", "like", "other", "black", "grey"}),
        ("near", False, {"one", "other", "black", "grey"}),
        ("near", True, {"one", "other"}),
        ("", True, {"one", "same", "again", "like", "other"}),
    ],
)
def test_what_nobody_wants_twice_is_left_out_on_demand(
    quality: Shop, dedup: str, drop_blank: bool, left: set[str]
) -> None:
    exported = quality.export("files", dedup=parse_dedup(dedup), drop_blank=drop_blank)

    assert described(quality, "files").keys() == left
    assert exported.left_out.total() == 7 - len(left)


def test_the_perceptual_hash_is_the_fields_own() -> None:
    """The values are those of `imagehash.phash`, version 4.3.2, of the same images."""
    seen = {seed: f"{look_at(drawn_image(seed)).phash:016x}" for seed in KNOWN_HASHES}

    assert seen == KNOWN_HASHES


KNOWN_HASHES = {
    0: "e4cee4b9184e193e",
    1: "db9bc7ad31513121",
    2: "db318ec6783879c4",
    3: "ba4e8e1afae47818",
}


def test_the_card_is_one_that_the_hub_takes(shop: Shop, loaded: dict[str, Any]) -> None:
    card = huggingface_hub.DatasetCard.load(shop.path("parquet", "README.md"))

    told = card.data.to_dict()
    assert told["pretty_name"] == "zoo"
    assert told["size_categories"] == ["n<1K"]
    assert told["task_categories"] == ["text-to-image"]
    assert told["configs"][0]["data_files"] == [
        {"split": "train", "path": "data/train-*"},
        {"split": "test", "path": "data/test-*"},
    ]
    counts = {one["name"]: one["num_examples"] for one in told["dataset_info"]["splits"]}
    assert sum(counts.values()) == len(shop.made)
    assert "simulated" not in told["tags"]
    assert "| content\\_policy\\_violation |" in card.text
    assert "| style | " in card.text
    assert "$0.08" in card.text


def test_a_simulated_batch_says_so(tmp_path: Path) -> None:
    batch = finished_batch(
        tmp_path,
        {"batch": "drawn-simulated", "prompt": "<script> {{ n }}", "grid": {"n": ["1", "2"]}},
        lambda job, _: drawn_image(job.seed or 0),
        simulated=True,
    )

    exported = Shop(tmp_path, batch).export("csv")

    card = huggingface_hub.DatasetCard.load(tmp_path / "csv" / "README.md")
    assert "simulated" in card.data.to_dict()["tags"]
    assert "**Simulated: the images are drawn stand-ins" in card.text
    assert exported.simulated


def test_values_are_data_in_the_card_and_no_markup(tmp_path: Path) -> None:
    values = ["<script>alert(1)</script>", "[a](b) | c", "---"]
    batch = finished_batch(
        tmp_path,
        {"batch": "odd", "prompt": "{{ what }}", "grid": {"what": values}},
        lambda job, _: drawn_image(job.seed or 0),
    )
    Shop(tmp_path, batch).export("csv")

    text = (tmp_path / "csv" / "README.md").read_text(encoding="utf-8")
    assert "<script>" not in text
    assert "\\[a\\](b) \\| c" in text
    assert huggingface_hub.DatasetCard(text).data.pretty_name == "odd"


def test_what_the_manifest_no_longer_has_is_exported_and_said(tmp_path: Path) -> None:
    manifest: dict[str, object] = {
        "batch": "pets",
        "prompt": "pet {{ n }}",
        "grid": {"n": ["1", "2", "3"]},
    }
    shop = Shop(
        tmp_path, finished_batch(tmp_path, manifest, lambda job, _: drawn_image(job.seed or 0))
    )
    edited: dict[str, object] = {**manifest, "grid": {"n": ["1", "2"]}}
    shop.batch = finished_batch(tmp_path, edited, lambda job, _: None)

    exported = shop.export("csv")

    assert (exported.images, exported.former, exported.holes) == (3, 1, {})


def test_a_workbook_refuses_what_no_cell_can_hold_and_says_what_can(tmp_path: Path) -> None:
    batch = finished_batch(
        tmp_path,
        {"batch": "long", "prompt": "{{ what }}", "grid": {"what": ["x" * 32_768]}},
        lambda job, _: drawn_image(job.seed or 0),
    )
    shop = Shop(tmp_path, batch)

    with pytest.raises(ExportError, match=r"prompt has 32,768 characters.*\n.*--to csv"):
        shop.export("xlsx")

    assert not shop.path("xlsx").exists()
    assert shop.export("csv").images == 1


def test_where_every_image_is_left_out_there_is_nothing_to_export(tmp_path: Path) -> None:
    manifest: dict[str, object] = {"batch": "dark", "prompt": "{{ n }}", "grid": {"n": ["1", "2"]}}
    shop = Shop(tmp_path, finished_batch(tmp_path, manifest, lambda job, _: flat_image()))

    with pytest.raises(UsageError, match="nothing is left to export: 2 blank"):
        shop.export("imagefolder", drop_blank=True)

    assert not shop.path("imagefolder").exists()


class TestPlace:
    def test_a_folder_of_somebody_else_is_refused_and_left_alone(self, shop: Shop) -> None:
        shop.path("mine").mkdir()
        shop.path("mine", "notes.txt").write_text("mine")

        with pytest.raises(UsageError, match="is no export of batchgen"):
            shop.export("csv", "mine")

        assert [path.name for path in shop.path("mine").iterdir()] == ["notes.txt"]

    def test_an_earlier_export_is_replaced_by_the_new_one(self, shop: Shop) -> None:
        shop.export("csv", "again")
        shop.export("files", "again")

        assert shop.path("again", "missing.csv").read_text() != ""
        assert len(list(shop.path("again").rglob("*.png"))) > 0

    def test_an_export_that_somebody_has_added_to_is_refused(self, shop: Shop) -> None:
        shop.export("csv", "used")
        shop.path("used", "latents.bin").write_bytes(b"x")

        with pytest.raises(UsageError, match="files were added to it or taken out"):
            shop.export("csv", "used")

        assert shop.path("used", "latents.bin").exists()

    def test_what_a_killed_export_has_left_is_cleared_away(self, shop: Shop) -> None:
        left = shop.path(".killed.exporting", "new", "train")
        left.mkdir(parents=True)
        (left / "x.png").write_bytes(b"x")

        shop.export("csv", "killed")

        assert not shop.path(".killed.exporting").exists()
        assert not shop.path("killed", "train").exists()

    def test_an_export_that_fails_leaves_nothing(self, shop: Shop) -> None:
        with pytest.raises(UsageError, match="--where style=inc: no row has that"):
            shop.export("csv", "failed", where=("style=inc",))

        assert not list(shop.folder.glob("*failed*"))

    def test_the_batch_is_as_it_was(self, shop: Shop) -> None:
        def state() -> dict[str, tuple[int, int]]:
            return {
                str(path): (path.stat().st_size, path.stat().st_mtime_ns)
                for path in shop.batch.folder.rglob("*")
                if path.is_file()
            }

        before = state()
        shop.export("captions", "quiet", resize=parse_resize("16"))

        assert state() == before
