"""Manifests and the files that they name, on disk."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest

from batchgen import Job, ManifestError, load_manifest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files, and return the path of the first."""

    def write(**files: str) -> Path:
        for name, text in files.items():
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(text.encode())
        return tmp_path / next(iter(files)).replace("_", ".")

    return write


def jobs_of(path: Path) -> list[Job]:
    return list(load_manifest(path).jobs())


# A table as the manifest


def test_a_csv_manifest_has_one_job_a_row(write: Write) -> None:
    path = write(
        retakes_csv=(
            "prompt,aspect_ratio,client\n"
            '"A {{ client }} poster, ""now""",16:9,ACME\n'
            "Plain {x} 50%,,\n"
        )
    )
    manifest = load_manifest(path)
    jobs = list(manifest.jobs())

    assert manifest.batch == "retakes"
    assert [job.prompt for job in jobs] == ['A ACME poster, "now"', "Plain {x} 50%"]
    assert [job.input.get("aspect_ratio") for job in jobs] == ["16:9", None]
    assert [job.line for job in jobs] == [f"{path}:2", f"{path}:3"]
    assert (manifest.parameters, manifest.variables) == (("aspect_ratio",), ("client",))
    assert manifest.files == ()
    assert manifest.text == path.read_bytes()


def test_rows_of_a_csv_manifest_have_their_own_takes(write: Write) -> None:
    path = write(m_csv="prompt,repeat,resolution\na,2,1K|2K\nb,,\nc,3,\n")
    manifest = load_manifest(path)
    jobs = list(manifest.jobs())

    assert [(job.prompt, job.repeat) for job in jobs] == [
        ("a", 0), ("a", 0), ("b", 0), ("c", 0), ("a", 1), ("a", 1), ("c", 1), ("c", 2),
    ]  # fmt: skip
    assert manifest.count() == 8
    assert manifest.price_bound_usd() == sum(job.price_usd or 0 for job in jobs)
    assert manifest.variables == ()
    assert len({job.job_id for job in jobs}) == 8


@pytest.mark.parametrize("size", [1, 3, 4, 6, 8])
def test_a_sample_of_a_csv_manifest_takes_rows_before_takes(write: Write, size: int) -> None:
    path = write(m_csv="prompt,repeat\na,2\nb,\nc,3\nd,2\n")

    jobs = list(load_manifest(path).jobs(sample=str(size)))

    assert len(jobs) == len({job.job_id for job in jobs}) == size
    assert len({job.prompt for job in jobs}) == min(size, 4)


def test_the_take_is_a_variable_of_a_csv_manifest_too(write: Write) -> None:
    path = write(m_csv="prompt,repeat\ntake {{ repeat }},2\n")

    assert [job.prompt for job in jobs_of(path)] == ["take 0", "take 1"]


def test_seeds_of_a_csv_manifest(write: Write) -> None:
    path = write(m_csv="prompt,seed\na,7|8\nb,\nc,9\n")
    jobs = jobs_of(path)

    assert [job.seed for job in jobs if job.prompt != "b"] == [7, 8, 9]
    assert jobs[2].seed is not None


def test_a_tsv_manifest_and_a_jsonl_manifest_mean_the_same(write: Write) -> None:
    rows = [
        {"prompt": "A {{ who }}", "who": "fox", "resolution": "2K"},
        {"prompt": "B", "who": "x"},
    ]
    tsv = "prompt\twho\tresolution\nA {{ who }}\tfox\t2K\nB\tx\t\n"
    write(m_tsv=tsv)
    path = write(m_jsonl="\n".join(map(json.dumps, rows)))

    by_jsonl = [(job.job_id, job.variables) for job in jobs_of(path)]
    by_tsv = [(job.job_id, job.variables) for job in jobs_of(path.with_suffix(".tsv"))]

    assert by_jsonl == by_tsv


def test_a_template_of_a_late_row_that_cannot_be_read_fails_its_job_alone(write: Write) -> None:
    rows = "".join(f"fox {n}\n" for n in range(1200))
    path = write(m_csv=f"prompt\n{rows}{{{{ broken\n")

    jobs = jobs_of(path)

    assert [job.problem != "" for job in jobs] == [False] * 1200 + [True]
    assert jobs[-1].problem.startswith("prompt: ")


# Files that a manifest names


def test_files_are_relative_to_the_manifest_and_are_listed(write: Write) -> None:
    path = write(
        m_yaml=(
            'prompt: "{{ style }} {{ title }}"\n'
            "rows: rows.csv\n"
            "grid: {style: {file: styles.txt}, light: {file: styles.txt}}\n"
            "key: light\n"
        ),
        rows_csv="title\njug\n",
        styles_txt="\ufeffoil\r\n\r\nink wash \r\n",
    )
    manifest = load_manifest(path)

    assert [job.prompt for job in manifest.jobs()][::2] == ["oil jug", "ink wash  jug"]
    assert [(file.written, file.path) for file in manifest.files] == [
        ("rows.csv", path.parent / "rows.csv"),
        ("styles.txt", path.parent / "styles.txt"),
    ]


def test_a_frozen_manifest_finds_its_files_where_they_are_kept(
    write: Write, tmp_path: Path
) -> None:
    path = write(
        shots_yaml='prompt: "{{ title }} {{ a }}"\nrows: rows.csv\ngrid: {a: {file: a.txt}}\n',
        rows_csv="title\njug\n",
        a_txt="x\ny\n",
    )
    before = load_manifest(path)
    frozen = tmp_path / "frozen"
    frozen.mkdir()
    (frozen / "manifest.yaml").write_bytes(before.text)
    kept = {}
    for number, file in enumerate(before.files):
        kept[file.written] = frozen / f"{number}-{file.path.name}"
        kept[file.written].write_bytes(file.path.read_bytes())
        file.path.unlink()
    path.unlink()

    after = load_manifest(frozen / "manifest.yaml", files=kept, batch="shots")

    assert after.batch == "shots"
    assert [job.job_id for job in after.jobs()] != []
    assert {file.path for file in after.files} == set(kept.values())


def test_the_batch_is_called_like_the_file_unless_it_says_otherwise(write: Write) -> None:
    path = write(night_yaml="prompt: a fox\n")

    assert load_manifest(path).batch == "night"
    assert load_manifest(path, batch="day").batch == "day"
    path.write_text("batch: 007\nprompt: a fox\n")
    assert load_manifest(path, batch="day").batch == "007"


def test_rows_are_read_with_all_their_dirt(write: Write) -> None:
    path = write(
        m_yaml='prompt: "{{ title }}|{{ size }}|{{ n }}|{{ ok }}"\nrows: rows.csv\n',
        rows_csv='\ufefftitle;size;n;ok\n" a ""b""; c ";007;2;true\nNA;1.10;0.5;TRUE\n',
    )

    assert [job.prompt for job in jobs_of(path)] == [' a "b"; c |007|2|true', "NA|1.10|0.5|TRUE"]


def test_numbers_of_rows_keep_their_type_in_a_prompt_that_is_json(write: Write) -> None:
    path = write(
        m_yaml='prompt: {n: "{{ n }}", code: "{{ code }}"}\nrows: rows.csv\n',
        rows_csv="n,code\n7,007\n",
    )

    assert json.loads(jobs_of(path)[0].prompt) == {"n": 7, "code": "007"}


def test_keys_of_mappings_in_jsonl_are_variables_and_set_parameters(write: Write) -> None:
    path = write(
        m_yaml=(
            "prompt: \"{{ shot.name | default('b') }} {{ tags | join(' ') }}\"\nrows: rows.jsonl\n"
        ),
        rows_jsonl='{"shot": {"name": "a", "resolution": "2K"}, "tags": ["x", 1]}\n{"tags": []}\n',
    )
    manifest = load_manifest(path)
    jobs = list(manifest.jobs())

    assert [job.prompt for job in jobs] == ["a x 1", "b "]
    assert [job.input.get("resolution") for job in jobs] == ["2K", None]
    assert manifest.parameters == ("resolution",)
    assert manifest.variables == ("shot.name", "tags")
    assert jobs[0].variables == {"shot.name": "a", "tags": ["x", 1]}


def test_weights_are_given_by_value_even_where_yaml_has_its_own_ideas(write: Write) -> None:
    path = write(
        m_yaml=(
            "prompt: a fox\ndraw: {jobs: 2, seed: 1}\n"
            "grid: {aspect_ratio: {weights: {16:9: 3, 1:1: 0.5}}}\n"
        )
    )

    assert {job.input["aspect_ratio"] for job in jobs_of(path)} == {"16:9", "1:1"}


def test_yaml_means_what_it_looks_like(write: Write) -> None:
    path = write(
        m_yaml=(
            'prompt: "{{ v }}"\ngrid:\n'
            "  v: [no, on, NA, Null, 2024-01-01, 1:1, 007, 1e5, 1.10, 0x10, 0.5, 2, true, 12:30]\n"
        )
    )

    assert " ".join(job.prompt for job in jobs_of(path)) == (
        "no on NA Null 2024-01-01 1:1 007 1e5 1.10 0x10 0.5 2 true 12:30"
    )


def test_a_job_says_where_its_values_stand(write: Write) -> None:
    path = write(
        m_yaml=(
            'prompt: "{{ a }} {{ b }}"\ngrid:\n  a:\n    - x\n    - y\n  b: [z]\n'
            "include:\n  - {a: q, b: r}\n"
        )
    )

    assert [job.line for job in jobs_of(path)] == [f"{path}:4, 6", f"{path}:5, 6", f"{path}:8"]


def test_a_manifest_and_its_mapping_make_the_same_jobs(write: Write) -> None:
    keys = {
        "batch": "m",
        "prompt": '{{ b }} "x"\n\u2028\x85\U0001f600 # {{ a }}',
        "grid": {"b": [1, 0.5, "no", "1:1", "007", True], "a": ["z", "y"]},
        "parameters": {"enable_web_search": True},
    }
    by_mapping = load_manifest(keys)
    path = write(m_yaml=by_mapping.text.decode())

    by_file = load_manifest(path)

    assert [replace(job, line="") for job in by_file.jobs()] == list(by_mapping.jobs())


# Checked, but not to the last value


def test_only_the_first_thousand_values_are_tried_out(write: Write) -> None:
    fine = "".join(f"    - {{n: {n}, home: a}}\n" for n in range(1000))
    path = write(m_yaml=f'prompt: "{{{{ a.home }}}}"\ngrid:\n  a:\n{fine}    - {{n: x}}\n')

    jobs = jobs_of(path)

    assert [job.problem for job in jobs if job.problem] == ["prompt: a has no 'home'. It has n."]
    with pytest.raises(ManifestError):
        load_manifest(write(m_yaml=path.read_text().replace("    - {n: 5, home: a}\n", "")))


# How large a manifest may be


def test_a_manifest_of_a_billion_jobs_starts_like_one_of_ten(write: Write) -> None:
    axes = "".join(f"  a{n}: {{range: [1000]}}\n" for n in range(3))
    path = write(m_yaml=f'prompt: "{{{{ a0 }}}} {{{{ a1 }}}} {{{{ a2 }}}}"\ngrid:\n{axes}')

    manifest = load_manifest(path)

    assert manifest.count() == 10**9
    assert manifest.price_bound_usd() == 80_000_000
    assert [job.prompt for job in islice(manifest.jobs(), 2)] == ["0 0 0", "0 0 1"]
    assert len(list(manifest.jobs(sample="1000"))) == 1000
    assert manifest.sample_note("999") == (
        "a sample of 999 has no room for every value; left out: 1 of a0, 1 of a1, 1 of a2"
    )


def test_drawing_jobs_keeps_no_memory(write: Write) -> None:
    path = write(
        m_yaml='prompt: "{{ title }} {{ a }}"\nrows: rows.csv\ngrid: {a: {range: [10]}}\n',
        rows_csv="title\n" + "".join(f"jug number {n}\n" for n in range(5000)),
    )
    jobs = load_manifest(path).jobs()
    next(jobs)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in islice(jobs, 20_000):
        pass
    after, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert after - before < 100_000
    assert peak - before < 500_000


def test_rows_are_drawn_at_random_without_being_kept(write: Write) -> None:
    path = write(
        m_yaml='prompt: "{{ title }}"\nrows: rows.csv\ndraw: {jobs: 300, seed: 1}\n',
        rows_csv="title,aspect_ratio\n" + "".join(f"jug {n},1:1|16:9\n" for n in range(2000)),
    )
    manifest = load_manifest(path)

    jobs = list(manifest.jobs())

    assert len({job.job_id for job in jobs}) == 300
    assert [job.job_id for job in manifest.jobs()] == [job.job_id for job in jobs]
    assert {job.line.split(":")[0] for job in jobs} == {"rows.csv"}
    for job in jobs:
        assert job.prompt == f"jug {int(job.line.split(':')[1]) - 2}"


def test_a_table_that_changed_after_it_was_checked_is_told(write: Write) -> None:
    path = write(m_yaml='prompt: "{{ title }}"\nrows: rows.csv\n', rows_csv="title\njug\nbowl\n")
    manifest = load_manifest(path)
    write(rows_csv="title\njug\nbowl,pot\n")

    with pytest.raises(ManifestError, match=r"rows\.csv:3"):
        list(manifest.jobs())
