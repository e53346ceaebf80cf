"""The gallery in a real browser, opened from disk."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.browser import Visit, browser, visit
from support.exhibition import exhibit

from batchgen.gallery import make_gallery
from batchgen.job import Job, Json
from batchgen.manifest import load_manifest

pytestmark = pytest.mark.xdist_group("browser")

EVIL = "a <script>document.title = 'stolen'</script> fox"
# It would fetch the style sheets once more, which the page's policy forbids.
AXE = {"preload": False}

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

MANIFEST: dict[str, Json] = {
    "batch": "zoo",
    "prompt": "{{ style }} of {{ animal }}",
    "grid": {
        "animal": [EVIL, "an owl", "a cat", "a hare"],
        "style": ["woodcut", "gouache", "etching"],
        "aspect_ratio": ["1:1", "16:9"],
    },
    "exclude": [{"style": "etching", "animal": "a cat"}],
    "repeat": 2,
}

ENDS = {2: "failed:content_policy_violation", 5: "unknown", 7: "undelivered", 9: "open"}


def end_of(place: int, _: Job) -> str:
    return ENDS.get(place, "left" if place >= 40 else "succeeded")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch with an end of every kind."""
    folder = tmp_path_factory.mktemp("jobs") / "zoo"
    exhibit(folder, MANIFEST, end_of=end_of, simulated=True)
    return folder


def make(folder: Path, *, share: bool = False) -> Path:
    from batchgen.batch import Batch

    return make_gallery(Batch(folder), share=share, now=NOW, watch=lambda *_: None).page


@pytest.fixture(scope="module")
def page_file(folder: Path) -> Path:
    return make(folder)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with browser() as context:
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        yield context


@pytest.fixture
def looking(chromium: Any) -> Iterator[Visit]:
    """A page whose console must stay silent, and that asks for nothing off the disk."""
    with visit(chromium) as found:
        yield found
        found.page.evaluate("localStorage.clear()")
        assert found.complaints == []
        assert found.strangers == []


def tile(looking: Visit, place: int) -> Any:
    """The tile at a place of the grid, from 0."""
    cell = f"#grid .cell:not([hidden])[aria-posinset='{place + 1}']"
    return looking.page.locator(f"{cell} .tile")


def open_image(looking: Visit, place: int) -> str:
    """Open the image at a place of the grid, and return what is said of it."""
    looking.until("document.querySelector('#frame').childElementCount === 0")  # closed before
    looking.page.evaluate("batchgen.grid.goTo", place)
    tile(looking, place).click()
    facts = looking.page.locator("#facts")
    facts.get_by_text("Attempts").wait_for()
    return str(facts.inner_text())


def test_a_matrix_shows_images_and_why_there_are_none(looking: Visit, page_file: Path) -> None:
    looking.open(page_file, "matrix")

    table = looking.page.locator("#matrix .table")
    assert table.locator("[role=rowheader]").all_inner_texts() == MANIFEST["grid"]["animal"]
    assert looking.page.title() == "zoo"
    said = set(looking.page.locator("#matrix .why").all_inner_texts())
    plain = {text.replace("\u200b", "") for text in said}
    assert {"failed: content_policy_violation", "unknown", "not run yet"} <= plain
    assert "no such job" in table.inner_text()
    looking.until("document.querySelectorAll('#matrix img.here').length > 8")


def test_the_axes_of_a_matrix_are_chosen_and_the_others_are_filters(
    looking: Visit, page_file: Path
) -> None:
    looking.open(page_file, "matrix")
    looking.page.select_option("#across", label="aspect_ratio")
    looking.page.select_option("#down", label="style")
    looking.page.locator(".facet", has_text="animal").get_by_label("an owl").check()

    headers = looking.page.locator("#matrix [role=columnheader].name").all_inner_texts()
    assert headers == ["1:1", "16:9"]
    assert looking.page.locator("#found").inner_text() == "12 of 44"


def test_a_grid_is_searched_and_filtered(looking: Visit, page_file: Path) -> None:
    looking.open(page_file, "grid")
    looking.page.fill("#search", "owl gouache")
    looking.until("document.querySelector('#found').textContent === '4 of 44'")
    looking.page.locator(".facet:has(summary:has-text('take')) input[value='1']").check()

    looking.until("document.querySelector('#found').textContent === '2 of 44'")
    assert looking.page.locator("#grid .cell:not([hidden])").count() == 2

    seed = looking.page.evaluate("batchgen.store.seed[0]")
    looking.page.click("#clear")
    looking.page.fill("#seed", seed)
    looking.until("document.querySelector('#found').textContent === '1 of 44'")


def test_one_image_large_has_all_that_is_known_of_it(looking: Visit, page_file: Path) -> None:
    looking.open(page_file, "grid")
    shown = open_image(looking, 0)
    assert f"woodcut of {EVIL}" in shown
    assert looking.page.locator("#frame img").get_attribute("alt") == f"woodcut of {EVIL}"
    looking.until("document.querySelector('#frame img').naturalWidth === 96")
    for text in ("aspect_ratio", "seed", "$0.08 by the price table", "request-", "images/"):
        assert text in shown


def test_in_the_matrix_next_goes_on_along_the_row_and_to_the_next(
    looking: Visit, page_file: Path
) -> None:
    looking.open(page_file, "matrix")
    looking.page.locator("#matrix .tile").first.click()
    place = looking.page.locator("#place")
    first, _, total = place.inner_text().partition(" of ")
    seen = {looking.page.locator("#facts").inner_text()}
    for _ in range(4):
        looking.page.keyboard.press("ArrowRight")
        seen.add(looking.page.locator("#facts").inner_text())

    assert first == "1"
    assert int(total) > 4
    assert place.inner_text() == f"5 of {total}"
    assert len(seen) == 5


def test_keys_go_on_pick_and_reject_and_what_was_picked_is_kept(
    looking: Visit, page_file: Path, tmp_path: Path
) -> None:
    looking.open(page_file, "grid")
    tile(looking, 0).click()
    looking.page.keyboard.press("p")
    looking.page.keyboard.press("ArrowRight")
    looking.page.keyboard.press("x")
    looking.page.keyboard.press("Escape")
    looking.open(page_file, "grid")
    with looking.page.expect_download() as download:
        looking.page.click("#save-picks")

    kept = tmp_path / "picks.csv"
    download.value.save_as(kept)
    assert download.value.suggested_filename == "picks.csv"
    ids = looking.page.evaluate("batchgen.store.id.slice(0, 2)")
    assert list(csv.reader(kept.read_text(encoding="utf-8").splitlines())) == [
        ["job_id", "image_index", "verdict"],
        [ids[0], "0", "picked"],
        [ids[1], "0", "rejected"],
    ]


def test_what_has_a_verdict_leaves_those_without_one(looking: Visit, page_file: Path) -> None:
    looking.open(page_file, "grid")
    verdicts = ".facet:has(summary:has-text('verdict'))"
    looking.page.locator(f"{verdicts} label:has-text('undecided') input").check()
    tile(looking, 0).focus()
    second = looking.page.evaluate("batchgen.store.id[1]")
    looking.page.keyboard.press("p")

    looking.until("document.querySelector('#found').textContent === '43 of 44'")
    assert looking.page.locator(f"{verdicts} .count").all_inner_texts() == ["1", "43"]
    focused = "batchgen.store.id[document.activeElement.shows]"
    assert looking.page.evaluate(focused) == second


def test_picks_are_restored_from_a_file_as_a_spreadsheet_saves_it(
    looking: Visit, page_file: Path, tmp_path: Path
) -> None:
    looking.open(page_file, "grid")
    ids = looking.page.evaluate("[0, 1, 3].map((i) => batchgen.store.id[i])")
    rows = ["job_id;image_index;verdict", *(f'"{one}";0;picked' for one in ids)]
    saved = tmp_path / "saved.csv"
    saved.write_text("\ufeff" + "\r\n".join(rows), encoding="utf-8")

    looking.page.set_input_files("#picks-file", saved)

    looking.until("document.querySelector('#pick-counts').textContent === '3 picked · 0 rejected'")
    assert looking.page.locator("#grid .tile.picked").count() == 3


def test_the_manifest_that_is_copied_makes_just_this_job(
    looking: Visit, page_file: Path, tmp_path: Path
) -> None:
    looking.open(page_file, "grid")
    for place in (0, 20):  # of the first take, and of the second
        shown = open_image(looking, place)
        looking.page.get_by_role("button", name="Copy manifest").click()
        looking.page.get_by_text("Manifest of this job copied").wait_for()
        copied = looking.page.evaluate("navigator.clipboard.readText()")
        wanted = re.findall(r"^Job\n+(\w{16})", shown, re.MULTILINE)
        looking.page.keyboard.press("Escape")
        file = tmp_path / f"one-{place}.yaml"
        file.write_text(copied, encoding="utf-8")

        assert [job.job_id for job in load_manifest(file).jobs()] == wanted


def test_the_night_at_a_glance_has_its_charts_and_leads_to_what_failed(
    looking: Visit, page_file: Path
) -> None:
    pytest.importorskip("matplotlib")
    looking.open(page_file, "night")

    charts = looking.page.locator("#night .chart")
    assert charts.locator("h2").all_inner_texts() == [
        *("Images a minute", "Spend", "Under way", "How long an image took", "Failures"),
    ]
    assert looking.page.locator("#night dd").all_inner_texts()[:3] == ["36", "1", "1"]
    looking.page.get_by_role("button", name="show all 1").click()
    assert looking.page.locator("#grid .cell:not([hidden])").count() == 1


@pytest.mark.parametrize(
    ("scheme", "views"),
    [
        pytest.param("light", ["matrix", "viewer"], id="by day"),
        pytest.param("dark", ["night", "grid"], id="by night"),
    ],
)
def test_nobody_is_shut_out(looking: Visit, page_file: Path, scheme: str, views: list[str]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    looking.page.emulate_media(color_scheme=scheme)
    found = {}
    for view in views:
        looking.open(page_file, "grid" if view == "viewer" else view)
        if view == "viewer":
            open_image(looking, 0)
        found[view] = violations(axe.run(looking.page, options=AXE))

    assert found == {view: [] for view in views}


def violations(results: Any) -> list[str]:
    return [
        f"{one['id']}: {node['html'][:160]} {node.get('failureSummary', '')[:200]}"
        for one in results.response["violations"]
        for node in one["nodes"]
    ]


def test_on_a_narrow_screen_nothing_runs_out_of_it(looking: Visit, page_file: Path) -> None:
    looking.page.set_viewport_size({"width": 380, "height": 700})
    for view in ("matrix", "grid", "night"):
        looking.open(page_file, view)
        wide = looking.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 380, view
    looking.open(page_file, "grid")
    tile(looking, 0).click()
    assert looking.page.locator("#pick").is_visible()


def test_the_keyboard_alone_is_enough(looking: Visit, page_file: Path) -> None:
    looking.open(page_file, "grid")
    looking.page.keyboard.press("m")
    looking.page.locator("#matrix .tile").nth(0).focus()
    looking.page.keyboard.press("ArrowDown")
    assert looking.page.evaluate("document.activeElement.place") == "1 0 0"
    looking.page.keyboard.press("Enter")
    assert looking.page.locator("#viewer").is_visible()
    looking.page.keyboard.press("Escape")
    assert looking.page.evaluate("document.activeElement.place") == "1 0 0"


def test_a_page_to_share_is_whole_and_tells_less(
    looking: Visit, folder: Path, tmp_path: Path
) -> None:
    shared = make(folder, share=True).parent
    moved = tmp_path / "sent"
    shared.rename(moved)

    looking.open(moved / "index.html", "grid")
    shown = open_image(looking, 0)
    looking.until("document.querySelector('#frame img').naturalWidth === 96")
    for text in ("request-", "0.08", "example.test", "the service said", "$", str(folder)):
        assert text not in shown
