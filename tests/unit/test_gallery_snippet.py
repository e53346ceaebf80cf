"""The manifest of one job: it makes that job, and no other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.gallery.item import Header, Item, Status
from batchgen.gallery.snippet import write_snippet
from batchgen.job import Job, Json
from batchgen.ledger import Columns, LedgerRow, variable_column
from batchgen.manifest import Manifest, load_manifest
from batchgen.manifest.yaml_text import parse_yaml

NB2 = "fal-ai/nano-banana-2"


def items_of(manifest: Manifest) -> Iterator[tuple[Item, Job]]:
    """The items of a manifest's jobs, as their ledger rows would make them."""
    columns = Columns(parameters=manifest.parameters, variables=manifest.variables)
    header = Header(
        columns=columns.header,
        parameters=columns.parameters,
        variables=tuple(map(variable_column, columns.variables)),
    )
    for job in manifest.jobs():
        cells = LedgerRow(job=job, status="succeeded", image_index=0).cells(columns)
        yield Item(header=header, cells=cells, status=Status.SUCCEEDED), job


def snippets(manifest: dict[str, Json]) -> list[tuple[str, Job]]:
    loaded = load_manifest({"batch": "zoo", **manifest})
    keys = [tuple(block.maker.key) for block in loaded.blocks]
    return [(write_snippet(item, keys=keys, batch="zoo"), job) for item, job in items_of(loaded)]


@pytest.mark.parametrize(
    "manifest",
    [
        pytest.param({"prompt": "a fox"}, id="as little as there can be"),
        pytest.param({"prompt": "a fox", "repeat": 3}, id="later takes"),
        pytest.param({"prompt": "a fox", "repeat": 3, "seed": "none"}, id="takes without a seed"),
        pytest.param({"prompt": "a fox", "repeat": 2, "seed": {"start": 9}}, id="numbered seeds"),
        pytest.param({"prompt": "a fox", "seed": 7}, id="one seed"),
        pytest.param(
            {
                "prompt": "{{ a }}",
                "grid": {"a": ["x"], "aspect_ratio": ["1:1", "16:9"]},
                "parameters": {"resolution": "2K", "num_images": 2, "output_format": "jpeg"},
            },
            id="parameters of every type",
        ),
        pytest.param(
            {"prompt": "{{ t }}", "variables": {"t": "{{ not }} {% a template %} {# at all #}"}},
            id="a prompt that looks like a template",
        ),
        pytest.param({"prompt": {"scene": "a {fox}", "n": [1, True, "2"]}}, id="a prompt in JSON"),
        pytest.param(
            {"prompt": "{{ p }}", "grid": {"p": ['"q" \\ #c: - \n\n x\ty', "😀 é \u2028 \x85"]}},
            id="letters that YAML has a meaning for",
        ),
        pytest.param(
            {"prompt": "a fox", "rows": [{"sku": "7"}, {"sku": "x"}], "key": "sku"}, id="a key"
        ),
        pytest.param(
            {
                "prompt": "a fox",
                "grid": {"animal": [{"name": "a", "n": 1}, {"name": "b", "n": 2}]},
                "key": ["animal.name", "animal.n"],
            },
            id="a key in a mapping, and a number",
        ),
        pytest.param(
            {"prompt": "a fox", "endpoint": "owner/other", "parameters": {"steps": 4, "x": "4"}},
            id="an endpoint that nobody has described",
        ),
    ],
)
def test_a_snippet_makes_its_job_and_no_other(manifest: dict[str, Json]) -> None:
    found = snippets(manifest)

    for text, job in found:
        [made] = load_manifest({"batch": "one", **parse(text)}).jobs()
        assert (made.job_id, made.input, made.repeat) == (job.job_id, job.input, job.repeat)
        assert text.startswith(f"# job {job.job_id} of zoo\n")
    assert found


@given(prompt=st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: text.strip()))
def test_any_prompt_is_the_same_again(prompt: str) -> None:
    [(text, job)] = snippets({"prompt": "{{ p }}", "variables": {"p": prompt}})

    [made] = load_manifest({"batch": "one", **parse(text)}).jobs()
    assert made.job_id == job.job_id


def test_where_the_row_does_not_lead_to_the_job_there_is_no_snippet() -> None:
    loaded = load_manifest({"batch": "zoo", "prompt": "a fox", "key": "k", "variables": {"k": "1"}})
    [(item, _)] = items_of(loaded)

    assert write_snippet(item, keys=[], batch="zoo") == ""


def parse(text: str) -> dict[str, Json]:
    """Read YAML as manifests are read."""
    document = parse_yaml(text, "one.yaml")
    assert document.mistakes == ()
    assert isinstance(document.value, dict)
    return document.value
