"""`redo.csv`: whole or not at all, and nothing in it that nobody ordered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from batchgen.errors import LedgerError
from batchgen.job import Job, Json, automatic_seed, identify
from batchgen.manifest import load_manifest
from batchgen.redo_file import NO_LINES, Redo, add_lines, lines_of, make_redo, read_redo

AT = "2026-11-22T20:00:00.000Z"


def jobs_of(**keys: Json) -> list[Job]:
    manifest = {
        "batch": "zoo",
        "prompt": 'a {{ animal }},\n"quoted"',
        "grid": {"animal": ["fox", "owl"]},
        **keys,
    }
    return list(load_manifest(manifest).jobs())


def redo_of(job: Job, *, repeat: int = 1) -> Redo:
    return make_redo(job, redo_of=job.job_id, repeat=repeat, at=AT)


def written(folder: Path) -> Path:
    path = folder / "redo.csv"
    add_lines(path, [redo_of(job) for job in jobs_of()])
    return path


@pytest.mark.parametrize(
    "seed",
    [
        pytest.param("auto", id="automatic"),
        pytest.param("none", id="none"),
        pytest.param(1234, id="fixed"),
        pytest.param({"start": 1000}, id="counted"),
        pytest.param([7], id="listed"),
    ],
)
def test_a_redo_is_sent_the_same_but_for_its_seed_whatever_the_seed_rule(seed: Json) -> None:
    job = jobs_of(seed=seed)[0]

    again = redo_of(job).job

    assert again.seed == automatic_seed(again.job_id)
    assert again.seed != job.seed
    assert {**again.input, "seed": 0} == {**job.input, "seed": 0}
    assert (again.repeat, again.variables, again.price_usd) == (1, job.variables, job.price_usd)


def test_an_endpoint_that_nobody_has_described_gets_a_seed_only_if_it_had_one() -> None:
    without, named = (
        redo_of(jobs_of(endpoint="fal-ai/other", **keys)[0]).job for keys in ({}, {"seed": 7})
    )

    assert without.seed is None
    assert named.seed == automatic_seed(named.job_id)


@pytest.mark.parametrize(
    "key", [pytest.param({}, id="no key"), pytest.param({"key": "animal"}, id="a key")]
)
def test_no_job_of_any_manifest_has_the_identity_of_a_redo(key: dict[str, Json]) -> None:
    few = jobs_of(repeat=1, **key)
    many = jobs_of(repeat=50, **key)

    ids = {redo_of(job, repeat=take).job.job_id for job in many for take in range(50)}

    assert len(ids) == len(many) * 50
    assert not ids & {job.job_id for job in (*few, *many)}
    # Without its mark it would be the take of that number.
    (job,) = (one for one in many if one.repeat == 7 and one.variables == few[0].variables)
    sent = {"prompt": job.prompt, "seed": "auto"}
    if not key:
        assert identify(endpoint=job.endpoint, input=sent, repeat=7) == job.job_id


def test_what_was_added_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "redo.csv"
    fox, owl = (redo_of(job) for job in jobs_of())

    add_lines(path, [fox])
    add_lines(path, [owl])
    add_lines(path, [])
    lines = read_redo(path)

    assert [line.job.job_id for line in lines] == [fox.job.job_id, owl.job.job_id]
    assert [line.redo_of for line in lines] == [fox.redo_of, owl.redo_of]
    assert [job.input for job in lines.jobs()] == [fox.job.input, owl.job.input]
    assert (lines.count, lines.price_usd) == (2, lines_of([fox, owl]).price_usd)


def test_without_a_file_nothing_was_ordered(tmp_path: Path) -> None:
    assert read_redo(tmp_path / "redo.csv") == NO_LINES
    add_lines(tmp_path / "redo.csv", [])
    assert list(tmp_path.iterdir()) == []


def test_a_file_cut_at_any_byte_is_whole_lines_or_refused(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    header = whole.index(b"\n") + 1
    ends = [header, whole.index(b"\n", header) + 1, len(whole)]

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length in ends:
            assert read_redo(path).count == ends.index(length)
        else:
            with pytest.raises(LedgerError, match=r"redo\.csv.*\n.*Put the file back"):
                read_redo(path)


def swap(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    return lambda content: content.replace(old, new)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(swap(b"\n", b"\r\n"), "a spreadsheet", id="the line ends of Windows"),
        pytest.param(lambda content: b"\xef\xbb\xbf" + content, "a spreadsheet", id="a mark"),
        pytest.param(lambda content: b"job_id,redo_of\n", "columns would be", id="other columns"),
        pytest.param(lambda content: b"", "columns would be", id="nothing"),
        pytest.param(swap(b"a fox", b"a cat"), "does not fit", id="another prompt"),
        pytest.param(swap(b",1,fal-ai", b",2,fal-ai"), "does not fit", id="another take"),
        pytest.param(swap(b"images/", b"../"), "does not fit", id="a place outside"),
        pytest.param(swap(b'"{', b'"['), "does not fit", id="no mapping"),
        pytest.param(swap(b'""seed"":', b'""seed"":1'), "does not fit", id="another seed"),
        pytest.param(lambda content: content + b"a note\n", "something else", id="a note"),
    ],
)
def test_what_batchgen_has_not_written_is_refused(
    tmp_path: Path, change: Callable[[bytes], bytes], said: str
) -> None:
    path = written(tmp_path)
    changed = change(path.read_bytes())
    path.write_bytes(changed)

    with pytest.raises(LedgerError, match=said):
        read_redo(path)
    with pytest.raises(LedgerError, match=said):
        add_lines(path, [redo_of(jobs_of()[0], repeat=9)])
    assert path.read_bytes() == changed


def test_the_old_name_takes_the_new_id_and_the_new_seed() -> None:
    (job,) = load_manifest(
        {
            "batch": "zoo",
            "prompt": "fox",
            "seed": 123456,
            "filename": "123456 and 1234567/{{ seed }} of {{ job_id }}",
        }
    ).jobs()

    again = redo_of(job).job

    assert again.file == f"images/{again.seed} and 1234567/{again.seed} of {again.job_id}"


def test_a_name_that_is_an_id_is_the_new_id() -> None:
    job = jobs_of()[0]

    again = redo_of(job).job

    assert job.file == f"images/{job.job_id[:2]}/{job.job_id}"
    assert again.file == f"images/{again.job_id[:2]}/{again.job_id}"
