"""Manifests as people write them, which are no part of the repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path

import pytest

from batchgen import load_manifest
from batchgen.manifest import Manifest

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("BATCHGEN_SHARED_DATA", ROOT.parent / "shared" / "data"))
FOLDER = DATA / "manifests"

pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"the manifests are not there: BATCHGEN_SHARED_DATA is {DATA}"
)


def load(name: str) -> Manifest:
    return load_manifest(FOLDER / name)


def load_changed(name: str, old: str, new: str, *, tmp_path: Path) -> Manifest:
    """Load a manifest with one change, from another folder; its files stay where they are."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    assert re.search(old, text)
    copy = tmp_path / name
    copy.write_text(re.sub(old, new, text), encoding="utf-8")
    files = {file.written: file.path for file in load(name).files}
    return load_manifest(copy, files=files)


def quote(manifest: Manifest) -> tuple[int, Decimal]:
    """Return the number of different jobs and what they cost."""
    prices = {job.job_id: job.price_usd for job in manifest.jobs()}
    return len(prices), sum((price or Decimal(0) for price in prices.values()), Decimal(0))


@pytest.mark.parametrize(
    ("name", "jobs", "usd"),
    [
        ("1-weather-set.yaml", 20_000, "1200.00"),
        ("2-shop-shots.yaml", 5_000, "601.92"),
        ("3-json-prompts.yaml", 40, "3.20"),
        ("3b-json-text.yaml", 40, "3.20"),
        ("4-campaign.yaml", 114, "13.44"),
        ("5-retakes.csv", 15, "1.62"),
        ("6-model-ab.yaml", 9_246, "745.84"),
    ],
)
def test_a_manifest_makes_the_jobs_and_the_quote_that_are_known_of_it(
    name: str, jobs: int, usd: str
) -> None:
    manifest = load(name)
    found, cost = quote(manifest)

    assert (found, round(cost, 2)) == (jobs, Decimal(usd))
    assert manifest.count() == jobs
    assert manifest.price_bound_usd() == cost
    assert not [job.problem for job in manifest.jobs() if job.problem]


def test_the_drawn_set_is_drawn_of_240000() -> None:
    assert load("1-weather-set.yaml").shape.startswith("20,000 drawn of 240,000 ")


def test_drawing_5000_more_keeps_the_20000(tmp_path: Path) -> None:
    more = load_changed("1-weather-set.yaml", "jobs: 20000", "jobs: 25000", tmp_path=tmp_path)

    before = [job.job_id for job in load("1-weather-set.yaml").jobs()]
    after = [job.job_id for job in more.jobs()]

    assert after[:20_000] == before
    assert len(set(after)) == 25_000


def test_the_weights_of_the_drawn_set_are_respected() -> None:
    jobs = list(load("1-weather-set.yaml").jobs())

    weather = Counter(job.variables["weather"] for job in jobs)
    ratios = Counter(job.input["aspect_ratio"] for job in jobs)
    assert weather["clear sky"] / len(jobs) == pytest.approx(0.5, abs=0.02)
    assert weather["dense fog"] / len(jobs) == pytest.approx(0.08, abs=0.01)
    assert ratios["16:9"] / len(jobs) == pytest.approx(0.74, abs=0.02)
    assert not [
        job
        for job in jobs
        if (job.variables["weather"], job.variables["light"]) == ("dense fog", "at noon")
    ]


def test_without_a_key_products_that_read_alike_are_one_job(tmp_path: Path) -> None:
    plain = load_changed("2-shop-shots.yaml", r"key: sku.*\n", "", tmp_path=tmp_path)

    assert plain.count() == 5_000
    assert quote(plain)[0] == 2_564


def test_a_filled_cell_sets_its_parameter_and_an_empty_one_leaves_the_manifests() -> None:
    jobs = list(load("2-shop-shots.yaml").jobs())

    assert Counter(job.input["resolution"] for job in jobs) == {"4K": 48, "2K": 4952}
    assert jobs[0].line == "products.csv:2"
    assert jobs[0].variables["url"] == "https://shop.example/p/1"


def test_a_country_called_no_is_no_boolean() -> None:
    codes = {job.variables["market.code"] for job in load("4-campaign.yaml").jobs()}

    assert codes == {"NO", "DE", "JP", "US", "CH"}


def test_takes_pair_across_the_grid_and_come_one_after_the_other() -> None:
    jobs = list(load("4-campaign.yaml").jobs())

    assert [(job.repeat, job.seed) for job in jobs] == [
        (take, 1000 + take) for take in range(3) for _ in range(38)
    ]
    assert [job.variables["market.code"] for job in jobs if job.repeat == 0][-1] == "CH"


def test_two_endpoints_get_the_same_prompts_and_the_same_seeds() -> None:
    sent: dict[str, list[object]] = {}
    for job in load("6-model-ab.yaml").jobs():
        sent.setdefault(str(job.variables["sweep"]), []).append((job.prompt, job.seed))

    assert sent["nb2"] == sent["nb2-thinking"] == sent["flash"]


def test_prompts_of_a_table_are_sent_byte_for_byte() -> None:
    table = (DATA / "parti-prompts.tsv").read_text(encoding="utf-8").split("\n")[1:]
    wanted = {line.split("\t")[0] for line in table if line}
    wanted -= {line.split("\t")[0] for line in table if "\tWriting & Symbols\t" in line}

    assert {job.prompt for job in load("6-model-ab.yaml").jobs()} == wanted


@pytest.mark.parametrize("sample", ["10", "400", "2%", "1000"])
def test_a_sample_of_a_drawn_set_is_part_of_it_and_shows_what_it_can(sample: str) -> None:
    manifest = load("1-weather-set.yaml")
    all_ids = {job.job_id for job in manifest.jobs()}

    jobs = list(manifest.jobs(sample=sample))

    assert {job.job_id for job in jobs} <= all_ids
    assert [job.job_id for job in manifest.jobs(sample=sample)] == [job.job_id for job in jobs]
    places = {job.variables["place"] for job in jobs}
    assert len(places) == min(400, len(jobs))
    assert bool(manifest.sample_note(sample)) == (len(jobs) < 400)
    assert len({job.variables["subject.name"] for job in jobs}) == 5


def test_a_sample_as_long_as_the_longest_axis_shows_every_row_over_all_sweeps() -> None:
    manifest = load("6-model-ab.yaml")
    jobs = list(manifest.jobs(sample="1541"))

    assert len({job.line for job in jobs}) == 1541
    assert set(Counter(job.variables["sweep"] for job in jobs).values()) == {513, 514}
    assert manifest.sample_note("1541") == ""


def test_the_manifests_render_the_same_whatever_the_hash_seed_is() -> None:
    program = (
        "import sys; from batchgen import load_manifest\n"
        "for path in sys.argv[1:]:\n"
        "    for job in load_manifest(path).jobs(): print(job)"
    )
    small = [FOLDER / name for name in ("3-json-prompts.yaml", "4-campaign.yaml", "5-retakes.csv")]
    printed = [
        subprocess.run(
            [sys.executable, "-c", program, *map(str, [*small, FOLDER / "2-shop-shots.yaml"])],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            timeout=100,
        ).stdout
        for seed in ("1", "2")
    ]

    assert printed[0] == printed[1]
