"""The gallery's folder: what is in it, what it costs to make it again, and what a crash leaves."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support.exhibition import exhibit
from support.jobs import make_entry

from batchgen.batch import Batch
from batchgen.csv_file import format_row
from batchgen.errors import LedgerError, UsageError
from batchgen.gallery import Gallery, make_gallery
from batchgen.job import Job, Json
from batchgen.ledger import Columns, LedgerRow
from batchgen.manifest import load_manifest
from batchgen.redo_file import add_lines, make_redo
from batchgen.state import AttemptState

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)

MANIFEST: dict[str, Json] = {
    "batch": "zoo",
    "prompt": "{{ style }} of {{ animal }}",
    "grid": {"animal": ["a fox", "an owl", "a cat"], "style": ["woodcut", "gouache"]},
}


def make(
    folder: Path, *, share: bool = False, watch: Callable[..., None] = lambda *_: None
) -> Gallery:
    return make_gallery(Batch(folder), share=share, now=NOW, watch=watch)


def handed(folder: Path, kind: str) -> list[Any]:
    """What the data files of one kind hand to the page."""
    found = []
    for path in sorted(folder.glob(f"files/*/{kind}*.js")):
        text = path.read_text(encoding="ascii")
        call = re.fullmatch(rf"batchgen\.{kind}\((.*)\);\n", text, re.DOTALL)
        assert call is not None, path
        found.append(json.loads(f"[{call[1]}]"))
    return found


def kinds(made: Gallery) -> list[str]:
    [[meta]] = handed(made.folder, "meta")
    known = [f"{one['status']} {one['type']}".strip() for one in meta["kinds"]]
    [[_, page]] = handed(made.folder, "page")
    return [known[code] for code in page["kind"]]


def end_of(place: int, _: Job) -> str:
    ends = {1: "failed:content_policy_violation", 2: "unknown", 3: "undelivered", 4: "open"}
    return ends.get(place, "left" if place == 5 else "succeeded")


def test_every_job_of_the_manifest_has_its_place_and_says_how_it_stands(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST, end_of=end_of)

    made = make(batch.folder)

    assert kinds(made) == [
        *("succeeded", "failed content_policy_violation", "unknown", "undelivered"),
        *("open", "left"),
    ]
    assert (made.images, made.holes) == (1, 5)


def test_axes_stand_in_the_manifests_order_whatever_came_first(tmp_path: Path) -> None:
    batch = exhibit(
        tmp_path / "zoo", MANIFEST, end_of=lambda place, _: "left" if place < 4 else "succeeded"
    )

    [[meta]] = handed(make(batch.folder).folder, "meta")

    named = {axis["name"]: axis["values"] for axis in meta["axes"]}
    assert named["animal"] == ["a fox", "an owl", "a cat"]
    assert named["style"] == ["woodcut", "gouache"]


def test_only_the_latest_row_of_a_job_counts(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST, end_of=end_of)
    loaded = load_manifest(MANIFEST)
    job = list(loaded.jobs())[1]
    columns = Columns(parameters=loaded.parameters, variables=loaded.variables)
    began = [
        make_entry(AttemptState.SUBMITTING, job=job, attempt=2, second=99),
        make_entry(AttemptState.FAILED, job=job, attempt=2, second=99, cost="0"),
    ]
    later = LedgerRow(job=job, status="failed", error_type="generation_timeout")
    with batch.journal_path.open("a", encoding="utf-8", newline="") as journal:
        journal.writelines(format_row(entry.cells()) for entry in began)
    with batch.ledger_path.open("a", encoding="utf-8", newline="") as ledger:
        ledger.write(format_row(later.cells(columns)))

    found = kinds(make(batch.folder))

    assert "failed content_policy_violation" not in found
    assert found.count("failed generation_timeout") == 1
    assert len(found) == 6


def test_made_again_only_what_is_new_is_drawn(tmp_path: Path) -> None:
    ends = ["succeeded"] * 3 + ["left"] * 3
    exhibit(tmp_path / "zoo", MANIFEST, end_of=lambda place, _: ends[place])
    assert make(tmp_path / "zoo").made == 3
    exhibit(tmp_path / "new" / "zoo", MANIFEST)
    grown = tmp_path / "new" / "zoo"
    (tmp_path / "zoo" / "gallery").rename(grown / "gallery")

    again = make(grown)

    assert (again.images, again.made) == (6, 3)
    assert make(grown).made == 0


def test_small_pictures_that_nothing_shows_any_more_are_dropped(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    thumbs = make(batch.folder).folder / "thumbs"
    stale = thumbs / "kk" / "kkkkkkkkkkkkkkkk-0-00000000.webp"
    stale.parent.mkdir(exist_ok=True)
    stale.write_bytes(b"old")
    (stale.parent / ".left-by-a-crash.webp.4711").write_bytes(b"half")

    make(batch.folder)

    assert len(list(thumbs.glob("*/*"))) == 6


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(lambda path: path.unlink(), id="gone"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:60]), id="damaged"),
    ],
)
def test_an_image_that_cannot_be_read_is_a_hole(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    harm(next((batch.folder / "images").rglob("*.png")))

    made = make(batch.folder)

    assert sorted(kinds(made)) == ["missing", *["succeeded"] * 5]
    assert made.images == 5


def test_the_page_is_in_one_piece_whenever_it_is_interrupted(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    before = make(batch.folder)
    page = before.page.read_text(encoding="utf-8")

    def interrupt(stage: str, *_: int) -> None:
        raise KeyboardInterrupt(stage)

    with pytest.raises(KeyboardInterrupt):
        make(batch.folder, watch=interrupt)

    assert before.page.read_text(encoding="utf-8") == page
    assert [path.name for path in (before.folder / "files").iterdir()] == ["1"]


def test_a_version_that_a_killed_call_has_left_is_cleared_away(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    left = batch.folder / "gallery" / "files" / "1"
    left.mkdir(parents=True)
    (left / "page-0.js").write_text("half", encoding="utf-8")

    made = make(batch.folder)

    assert [path.name for path in (made.folder / "files").iterdir()] == ["2"]
    assert 'src="files/2/store.js"' in made.page.read_text(encoding="utf-8")


def test_of_a_manifest_without_end_what_has_not_run_is_counted_and_not_shown(
    tmp_path: Path,
) -> None:
    loaded = load_manifest(
        {
            "batch": "zoo",
            "prompt": "{{ a }} {{ b }}",
            "grid": {"a": {"range": [1000]}, "b": {"range": [1000]}},
        }
    )
    batch = Batch(tmp_path / "zoo")
    batch.create(simulated=False)
    batch.freeze(loaded, sample="")
    batch.remember_count(jobs=1_000_000, folded=0)

    made = make(batch.folder)

    assert (made.images, made.holes) == (0, 0)
    [note] = [note for note in made.notes if "1,000,000 jobs" in note]
    assert "200,000 at the most" in note
    assert "<dd>1,000,000</dd>" in made.page.read_text(encoding="utf-8")


def test_a_page_to_share_holds_its_pictures_and_nothing_that_is_nobody_elses_business(
    tmp_path: Path,
) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST, end_of=end_of, size=(2000, 1000))

    made = make(batch.folder, share=True)

    assert made.folder == batch.folder / "gallery-share"
    [preview] = (made.folder / "previews").rglob("*.webp")
    with Image.open(BytesIO(preview.read_bytes())) as image:
        assert image.size == (1600, 800)
    texts = "".join(
        path.read_text(encoding="utf-8")
        for path in made.folder.rglob("*")
        if path.suffix in (".html", ".js") and path.name not in SCRIPTS
    )
    texts = re.sub(r"<svg.*?</svg>", drop_lines, texts, flags=re.DOTALL)
    row = batch.ledger_path.read_text(encoding="utf-8")
    for text in ("request-", "$", "0.08", "example.test", "the service said", str(tmp_path), "../"):
        assert text not in texts
        assert text in row or text in ("$", "../", str(tmp_path))
    assert "content_policy_violation" in texts


def drop_lines(drawing: re.Match[str]) -> str:
    """What a drawing says: the numbers of its lines are neither money nor names."""
    return " ".join(re.findall(r">([^<]+)<", drawing[0]))


SCRIPTS = {
    path.name
    for path in (Path(__file__).parents[2] / "batchgen" / "gallery" / "assets").glob("*.js")
}


def test_what_a_preview_says_beside_its_pixels_is_left_out(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST, end_of=end_of)
    [path] = (batch.folder / "images").rglob("*.png")
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x010E] = "where it was made, and by whom"
        image.save(path, exif=exif)

    made = make(batch.folder, share=True)

    for small in made.folder.rglob("*.webp"):
        assert b"by whom" not in small.read_bytes()


def test_texts_of_others_are_data_on_the_page_and_in_its_scripts(tmp_path: Path) -> None:
    evil = "</script><script>alert(1)</script><!-- \u2028 @charts@ '\" &"
    batch = exhibit(
        tmp_path / "zoo",
        {"batch": "zoo", "prompt": evil},
        end_of=lambda *_: f"failed:{evil}",
    )

    made = make(batch.folder)

    page = made.page.read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for path in made.folder.glob("files/*/*-0.js"):
        assert b"<" not in path.read_bytes()
        assert path.read_bytes().isascii()
    [[_, [detail]]] = handed(made.folder, "detail")
    assert detail["error"].startswith("the service said: </script>")


def test_without_matplotlib_the_page_has_all_but_its_charts(tmp_path: Path) -> None:
    import subprocess
    import sys

    exhibit(tmp_path / "jobs" / "zoo", MANIFEST)
    code = (
        "import sys; sys.modules['matplotlib'] = None; "
        "from batchgen.cli.app import run_command_line; "
        "sys.exit(run_command_line(['gallery', 'zoo']))"
    )

    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=100
    )

    assert ran.returncode == 0, ran.stderr
    assert 'pip install "batchgen[gallery]"' in ran.stderr
    page = Path(ran.stdout.strip()).read_text(encoding="utf-8")
    assert "pip install" in page
    assert "<svg" not in page


def test_a_batch_that_never_ran_has_no_page(tmp_path: Path) -> None:
    batch = Batch(tmp_path / "zoo")
    batch.create(simulated=False)

    with pytest.raises(UsageError, match="has never been run"):
        make(batch.folder)


def test_a_page_that_cannot_be_written_is_an_error_that_says_where(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    (batch.folder / "gallery").write_text("a file", encoding="utf-8")

    with pytest.raises(LedgerError, match=r"cannot write .*gallery"):
        make(batch.folder)


def test_nothing_of_the_batch_itself_is_changed(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST, end_of=end_of)
    before = {path: path.read_bytes() for path in batch.folder.rglob("*") if path.is_file()}

    make(batch.folder)
    make(batch.folder, share=True)

    after = {path: path.read_bytes() for path in batch.folder.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before} == before
    new = {path.relative_to(batch.folder).parts[0] for path in after.keys() - before.keys()}
    assert new == {"gallery", "gallery-share"}


def test_what_is_made_once_more_is_among_the_holes_until_it_is_there(tmp_path: Path) -> None:
    batch = exhibit(tmp_path / "zoo", MANIFEST)
    manifest = batch.load_frozen()
    job = next(iter(manifest.jobs()))
    line = make_redo(job, redo_of=job.job_id, repeat=1, at="2026-11-23T05:00:00.000Z")
    add_lines(batch.redo_path, [line])

    made = make(batch.folder)

    assert kinds(made) == [*["succeeded"] * 6, "left"]
    [[_, details]] = handed(made.folder, "detail")
    assert ["snippet" in one for one in details] == [True] * 6 + [False]
