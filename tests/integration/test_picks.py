"""What somebody thinks of images, read as a browser or a spreadsheet has saved it."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.errors import ManifestError
from batchgen.picks import ImageKey, Picks, Verdict, read_picks

FOX = "kzmxlwvqpronstuy"
OWL = "lzmxlwvqpronstuy"
PLAIN = f"job_id,image_index,verdict\n{FOX},0,picked\n{OWL},1,rejected\n"


def read(folder: Path, content: str | bytes) -> Picks:
    path = folder / "picks.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_picks(path)


def mistakes(folder: Path, content: str | bytes) -> list[tuple[int | None, str]]:
    with pytest.raises(ManifestError) as caught:
        read(folder, content)
    return [(one.line, one.text) for one in caught.value.mistakes]


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(PLAIN, id="as it is downloaded"),
        pytest.param(PLAIN[:-1], id="without the last line's end"),
        pytest.param(b"\xef\xbb\xbf" + PLAIN.encode(), id="with a byte order mark"),
        pytest.param(PLAIN.replace("\n", "\r\n"), id="with the line ends of Windows"),
        pytest.param(PLAIN.replace(",", ";"), id="with semicolons"),
        pytest.param(PLAIN.replace(",", "\t"), id="with tabs"),
        pytest.param(
            b"\xef\xbb\xbf" + PLAIN.replace(",", ";").replace("\n", "\r\n").encode(),
            id="with all that a spreadsheet does",
        ),
        pytest.param(
            f"verdict,note,job_id,image_index\npicked,,{FOX},0\nrejected,hand,{OWL},1\n",
            id="with columns in another order, and one more",
        ),
        pytest.param(
            f'"Job_ID","image_index", VERDICT \n"{FOX}", 0 ,Picked\n{OWL},1,REJECTED\n',
            id="with quotes, blanks and capitals",
        ),
        pytest.param(PLAIN.replace(f"{OWL},1", f"\n,,\n{OWL},1"), id="with empty lines"),
        pytest.param(PLAIN + f"{FOX},0,picked\n", id="with a line that stands there twice"),
        pytest.param(PLAIN + f"{FOX},7,\n{OWL},3\n", id="with lines that have no verdict"),
    ],
)
def test_what_a_browser_or_a_spreadsheet_has_saved(tmp_path: Path, content: str | bytes) -> None:
    picks = read(tmp_path, content)

    assert picks.verdicts == {
        ImageKey(FOX, 0): Verdict.PICKED,
        ImageKey(OWL, 1): Verdict.REJECTED,
    }


def test_of_other_images_nothing_is_known(tmp_path: Path) -> None:
    picks = read(tmp_path, PLAIN)

    assert picks.verdict(FOX, 0) is Verdict.PICKED
    assert picks.verdict(FOX, 1) is None
    assert list(picks.images(Verdict.REJECTED)) == [ImageKey(OWL, 1)]
    assert picks.lines == {ImageKey(FOX, 0): 2, ImageKey(OWL, 1): 3}


def test_a_file_without_verdicts_picks_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "job_id,image_index,verdict\n").verdicts == {}


def test_every_line_that_cannot_be_read_is_named_at_once(tmp_path: Path) -> None:
    content = (
        f"job_id,image_index,verdict\n1.5E+10,0,picked\n{FOX},first,picked\n{OWL},1,rejected\n"
        f"{FOX},0,maybe\n{OWL},1,picked\n"
    )

    assert mistakes(tmp_path, content) == [
        (2, "job_id is '1.5E+10'. It is 16 letters k to z, as in ledger.csv."),
        (3, "image_index is 'first'. It counts a job's images from 0, as in ledger.csv."),
        (5, "verdict is 'maybe'. It is picked or rejected; leave it empty for neither."),
        (
            6,
            f"image 1 of {OWL} is picked here and rejected in line 4: take one of the two lines "
            "out.",
        ),
    ]


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        pytest.param("", 1, "it is empty", id="nothing"),
        pytest.param(f"{FOX},0,picked\n", 1, "no column job_id", id="no header"),
        pytest.param("job_id,verdict\n", 1, "no column image_index", id="a column too few"),
        pytest.param(f'"job"_id,x\n{PLAIN}', 1, "closing quote", id="a header that is none"),
        pytest.param(PLAIN + '"no end', 4, "never closed", id="an open quote"),
        pytest.param(PLAIN.encode("utf-16"), None, "UTF-16", id="another encoding"),
        pytest.param(b"PK\x03\x04", None, "an Excel workbook", id="a workbook"),
    ],
)
def test_a_file_that_holds_no_picks(
    tmp_path: Path, content: str | bytes, line: int | None, part: str
) -> None:
    ((where, text),) = mistakes(tmp_path, content)

    assert where == line
    assert part in text


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is not there"):
        read_picks(tmp_path / "picks.csv")
