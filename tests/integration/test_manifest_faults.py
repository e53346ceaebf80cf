"""Faulty manifests, named after their fault: each is told in words that say what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen import ManifestError, load_manifest

FOLDER = Path(__file__).parents[1] / "data" / "manifests"
EXPECTED = sorted(FOLDER.glob("*.expected"))


def told(file: str) -> str:
    """Return what is said of a manifest: its mistakes, or its warnings."""
    try:
        return "\n".join(load_manifest(file).warnings)
    except ManifestError as error:
        return str(error).replace(str(FOLDER), "…")


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: path.stem)
def test_a_fault_is_told_as_it_is_written_down(
    expected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(FOLDER)
    [file] = [
        path.name
        for path in FOLDER.iterdir()
        if path.stem == expected.stem
        and path.suffix in (".yaml", ".csv")
        and (path.suffix == ".yaml" or not path.with_suffix(".yaml").exists())
    ]

    assert told(file) == expected.read_text(encoding="utf-8").rstrip("\n")


def test_every_faulty_manifest_has_its_words_written_down() -> None:
    manifests = {path.stem for path in FOLDER.glob("*.yaml")}

    assert manifests <= {path.stem for path in EXPECTED}
    assert len(EXPECTED) >= 60


@pytest.mark.parametrize("many", [20, 200])
def test_a_manifest_of_many_mistakes_tells_all_of_them(many: int, tmp_path: Path) -> None:
    values = ", ".join(f"{number}:100" for number in range(many))
    path = tmp_path / "m.yaml"
    path.write_text(f"prompt: a fox\ngrid: {{aspect_ratio: [{values}]}}\n")

    with pytest.raises(ManifestError) as caught:
        load_manifest(path)

    assert len(caught.value.mistakes) == many
    assert [mistake.line for mistake in caught.value.mistakes] == [2] * many


def test_mistakes_of_all_kinds_and_files_come_at_once(tmp_path: Path) -> None:
    lines = ["prompt: '{{ a }} {{ nothing }}'", "rows: rows.csv", "repeat: no", "runs: 3"]
    lines += ["parameters:", *[f"  unknown_{n}: 1" for n in range(50)]]
    lines += ["grid:", "  a: [1]", *[f"  axis_{n}: []" for n in range(46)]]
    (tmp_path / "m.yaml").write_text("\n".join(lines))
    cells = "\n".join(f"jug,{n}:77" for n in range(100))
    (tmp_path / "rows.csv").write_text(f"title,aspect_ratio\n{cells}\n")

    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "m.yaml")

    assert len(caught.value.mistakes) == 3 + 50 + 46 + 100
    files = [mistake.file for mistake in caught.value.mistakes]
    assert files == [str(tmp_path / "m.yaml")] * 99 + ["rows.csv"] * 100


def test_equal_mistakes_are_one_with_their_count_and_first_line(tmp_path: Path) -> None:
    cells = "".join("jug,17:9\n" if n % 2 else "jug,1:1\n" for n in range(1000))
    (tmp_path / "m.csv").write_text("prompt,aspect_ratio\n" + cells)

    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "m.csv")

    [mistake] = caught.value.mistakes
    assert (mistake.count, mistake.line) == (500, 3)
    assert mistake.text.startswith("aspect_ratio is '17:9' in 500 rows (first: line 3).")


def test_equal_values_of_an_axis_are_one_mistake_too(tmp_path: Path) -> None:
    (tmp_path / "m.yaml").write_text("prompt: a fox\ngrid:\n  resolution:\n    - 8K\n    - 8K\n")

    with pytest.raises(ManifestError) as caught:
        load_manifest(tmp_path / "m.yaml")

    assert [(m.count, m.line, m.column) for m in caught.value.mistakes] == [(2, 4, 7)]


def test_a_manifest_that_is_not_there_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match=r"m\.yaml  is not there"):
        load_manifest(tmp_path / "m.yaml")


def test_a_folder_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="is a folder"):
        load_manifest(tmp_path)
