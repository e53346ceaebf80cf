"""What a manifest means: its jobs, their order, their parameters, their identity, their seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from batchgen import Job, Manifest, ManifestError, load_manifest
from batchgen.job import automatic_seed, identify
from batchgen.manifest.batch_name import batch_name_fault

NB2 = "fal-ai/nano-banana-2"


def load(**keys: Any) -> Manifest:
    return load_manifest({"batch": "b", **keys})


def jobs_of(**keys: Any) -> list[Job]:
    return list(load(**keys).jobs())


def prompts_of(**keys: Any) -> list[str]:
    return [job.prompt for job in jobs_of(**keys)]


def mistakes_of(**keys: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(**keys)
    return [mistake.text for mistake in caught.value.mistakes]


def sent(jobs: Sequence[Job], *names: str) -> list[tuple[object, ...]]:
    return [tuple(job.input.get(name) for name in names) for job in jobs]


# Combinations and their order


def test_a_prompt_alone_is_one_job() -> None:
    [job] = jobs_of(prompt="a fox")

    assert (job.endpoint, job.prompt, job.repeat) == (NB2, "a fox", 0)
    assert job.price_usd == Decimal("0.08")
    assert job.file == f"images/{job.job_id[:2]}/{job.job_id}"


def test_every_combination_is_a_job_and_the_last_axis_varies_fastest() -> None:
    grid = {"a": ["x", "y"], "b": [1, 2], "c": [True]}

    assert prompts_of(prompt="{{ a }}{{ b }}{{ c }}", grid=grid) == [
        "x1true",
        "x2true",
        "y1true",
        "y2true",
    ]


def test_takes_are_slowest_then_rows_then_axes_then_included_entries() -> None:
    found = prompts_of(
        prompt="{{ repeat }} {{ sku }} {{ a }}",
        rows=[{"sku": "p"}, {"sku": "q"}],
        grid={"a": ["x", "y"]},
        include=[{"a": "z"}],
        repeat=2,
    )

    one_take = ["p x", "p y", "q x", "q y", "p z", "q z"]
    assert found == [f"{take} {rest}" for take in (0, 1) for rest in one_take]


def test_a_mapping_is_one_value_whose_parts_go_together() -> None:
    animals = [{"name": "a fox", "home": "a wood"}, {"name": "an owl", "home": "a barn"}]
    jobs = jobs_of(prompt="{{ animal.name }} in {{ animal.home }}", grid={"animal": animals})

    assert [job.prompt for job in jobs] == ["a fox in a wood", "an owl in a barn"]
    assert jobs[0].variables == {"animal.name": "a fox", "animal.home": "a wood"}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        pytest.param([3], ["0", "1", "2"], id="up to a stop, which is not in it"),
        pytest.param([2, 5], ["2", "3", "4"], id="from a start"),
        pytest.param([0, 0.35, 0.1], ["0", "0.1", "0.2", "0.3"], id="in decimal steps"),
        pytest.param([1, 2, 0.5], ["1", "1.5"], id="whole numbers print as whole ones"),
        pytest.param([3, 0, -1], ["3", "2", "1"], id="downwards"),
        pytest.param([-0.2, 0.2, 0.1], ["-0.2", "-0.1", "0", "0.1"], id="through nought"),
    ],
)
def test_a_range(numbers: list[float], expected: list[str]) -> None:
    assert prompts_of(prompt="{{ n }}.", grid={"n": {"range": numbers}}) == [
        f"{number}." for number in expected
    ]


# Exclude and include


@pytest.mark.parametrize(
    ("entry", "left"),
    [
        pytest.param({"a": "x"}, ["y1", "y2"], id="an axis"),
        pytest.param({"a": "x", "b": 1}, ["x2", "y1", "y2"], id="all keys must agree"),
        pytest.param({"a": ["x", "y"], "b": 2}, ["x1", "y1"], id="a list means any of these"),
        pytest.param({"b": "1"}, ["x2", "y2"], id="values are compared as they print"),
    ],
)
def test_exclude_removes_what_agrees(entry: dict[str, Any], left: list[str]) -> None:
    found = prompts_of(
        prompt="{{ a }}{{ b }}", grid={"a": ["x", "y"], "b": [1, 2]}, exclude=[entry]
    )

    assert found == left


@pytest.mark.parametrize(
    "entry",
    [
        pytest.param({"animal.name": "a fox"}, id="a part of a mapping by its path"),
        pytest.param({"animal": {"name": "a fox"}}, id="a part of a mapping as a mapping"),
        pytest.param({"animal": {"name": ["a fox", "a cow"], "wild": True}}, id="several parts"),
        pytest.param({"animal.wild": "true"}, id="a boolean as it prints"),
    ],
)
def test_exclude_reaches_parts_of_a_mapping(entry: dict[str, Any]) -> None:
    animals = [{"name": "a fox", "wild": True}, {"name": "a cat", "wild": False}]

    assert prompts_of(prompt="{{ animal.name }}", grid={"animal": animals}, exclude=[entry]) == [
        "a cat"
    ]


def test_exclude_names_columns_and_axes_together() -> None:
    found = prompts_of(
        prompt="{{ sku }}{{ a }}",
        rows=[{"sku": 1, "kind": "jug"}, {"sku": 2, "kind": "pot"}],
        grid={"a": ["x", "y"]},
        exclude=[{"kind": "jug", "a": "y"}, {"sku": 2, "a": "x"}],
    )

    assert found == ["1x", "2y"]


def test_exclude_names_a_list_that_is_a_value() -> None:
    palettes = [["#111111", "#222222"], ["#333333"]]

    assert prompts_of(
        prompt="{{ palette | join(' ') }}",
        grid={"palette": palettes},
        exclude=[{"palette": ["#111111", "#222222"]}],
    ) == ["#333333"]


def test_exclude_tells_the_values_of_one_cell_apart() -> None:
    jobs = jobs_of(
        prompt="{{ sku }}",
        rows=[{"sku": 1, "aspect_ratio": "1:1|16:9"}, {"sku": 2, "aspect_ratio": "16:9|4:3|1:1"}],
        exclude=[{"aspect_ratio": "16:9", "sku": 1}, {"aspect_ratio": "1:1", "sku": 2}],
    )

    assert sent(jobs, "prompt", "aspect_ratio") == [("1", "1:1"), ("2", "16:9"), ("2", "4:3")]


def test_exclude_may_name_the_sweep() -> None:
    found = prompts_of(
        prompt="{{ sweep }}{{ a }}",
        grid={"a": ["x", "y"]},
        exclude=[{"sweep": "one", "a": "x"}],
        sweeps=[{"name": "one"}, {"name": "two"}],
    )

    assert found == ["oney", "twox", "twoy"]


def test_include_comes_after_exclude_and_may_set_parameters_and_variables() -> None:
    jobs = jobs_of(
        prompt="{{ a }} {{ mood | default('calm') }}",
        grid={"a": ["x", "y"]},
        exclude=[{"a": "x"}],
        include=[{"a": "x", "mood": "wild", "resolution": "2K"}],
    )

    assert sent(jobs, "prompt", "resolution") == [("y calm", None), ("x wild", "2K")]
    assert jobs[1].price_usd == Decimal("0.12")
    assert load(
        prompt="{{ a }}", grid={"a": ["x"]}, include=[{"a": "z", "mood": "wild"}]
    ).variables == ("a", "mood")


def test_include_may_bring_a_mapping_that_sets_a_parameter() -> None:
    [_, job] = jobs_of(
        prompt="{{ f.name }}",
        grid={"f": [{"name": "post", "aspect_ratio": "1:1"}]},
        include=[{"f": {"name": "story", "aspect_ratio": "9:16"}}],
    )

    assert (job.prompt, job.input["aspect_ratio"]) == ("story", "9:16")


def test_include_meets_every_seed_of_a_list_of_seeds() -> None:
    jobs = jobs_of(prompt="{{ a }}", grid={"a": ["x"]}, include=[{"a": "z"}], seed=[7, 8])

    assert sent(jobs, "prompt", "seed") == [("x", 7), ("x", 8), ("z", 7), ("z", 8)]


# Parameters


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"parameters": {"resolution": "2K"}}, id="parameters"),
        pytest.param({"grid": {"resolution": ["2K"]}}, id="an axis"),
        pytest.param({"grid": {"size": [{"resolution": "2K"}]}}, id="a key of a mapping"),
        pytest.param({"rows": [{"resolution": "2K"}]}, id="a cell"),
        pytest.param({"rows": [{"size": {"resolution": "2K"}}]}, id="a key of a mapping in a cell"),
    ],
)  # fmt: skip
def test_anything_named_like_a_parameter_sets_it(keys: dict[str, Any]) -> None:
    [job] = jobs_of(prompt="a fox", **keys)

    assert job.input["resolution"] == "2K"
    assert job.price_usd == Decimal("0.12")
    assert load(prompt="a fox", **keys).parameters == ("resolution",)
    assert load(prompt="a fox", **keys).variables == ()


def test_what_sets_a_parameter_is_a_variable_too() -> None:
    found = prompts_of(
        prompt="{{ resolution }} {{ f.aspect_ratio }} {{ aspect_ratio }} {{ output_format }}",
        rows=[{"output_format": "jpeg"}],
        grid={"resolution": ["2K"], "f": [{"aspect_ratio": "1:1"}]},
    )

    assert found == ["2K 1:1 1:1 jpeg"]


def test_parameters_is_the_weakest_and_an_empty_cell_sets_nothing() -> None:
    jobs = jobs_of(
        prompt="{{ sku }}{{ resolution }}",
        parameters={"resolution": "2K"},
        rows=[{"sku": 1, "resolution": "4K"}, {"sku": 2, "resolution": ""}],
    )

    assert sent(jobs, "prompt", "resolution") == [("14K", "4K"), ("2", "2K")]


def test_a_value_of_a_mapping_without_the_key_sets_nothing() -> None:
    jobs = jobs_of(
        prompt="{{ a.name }}", grid={"a": [{"name": "x"}, {"name": "y", "resolution": "2K"}]}
    )

    assert sent(jobs, "resolution") == [(None,), ("2K",)]


def test_a_cell_with_bars_means_each_of_its_values() -> None:
    jobs = jobs_of(
        prompt="{{ sku }} {{ aspect_ratio }}",
        rows=[
            {"sku": 1, "aspect_ratio": "1:1|16:9", "resolution": "1K|2K"},
            {"sku": 2, "aspect_ratio": "", "resolution": "4K"},
        ],
    )

    assert sent(jobs, "prompt", "aspect_ratio", "resolution") == [
        ("1 1:1", "1:1", "1K"),
        ("1 1:1", "1:1", "2K"),
        ("1 16:9", "16:9", "1K"),
        ("1 16:9", "16:9", "2K"),
        ("2 ", None, "4K"),
    ]
    assert load(prompt="{{ sku }}", rows=[{"sku": 1, "seed": "1|2|3"}]).count() == 3


def test_a_bar_in_a_prompt_or_a_variable_is_a_character() -> None:
    assert prompts_of(rows=[{"prompt": "a|b"}]) == ["a|b"]
    assert prompts_of(prompt="{{ title }}", rows=[{"title": "a|b"}]) == ["a|b"]


@pytest.mark.parametrize(
    ("name", "written", "settled"),
    [
        pytest.param("num_images", "2", 2, id="a number from text"),
        pytest.param("safety_tolerance", 4, "4", id="text from a number"),
        pytest.param("enable_web_search", "true", True, id="a boolean from text"),
    ],
)
def test_parameters_take_the_type_that_they_need(
    name: str, written: object, settled: object
) -> None:
    for keys in ({"parameters": {name: written}}, {"grid": {name: [written]}},
                 {"rows": [{name: written}]}):  # fmt: skip
        [job] = jobs_of(prompt="a fox", **keys)
        assert job.input[name] == settled
        assert type(job.input[name]) is type(settled)


def test_two_things_that_set_one_parameter_are_a_mistake_that_names_both() -> None:
    assert mistakes_of(
        prompt="a fox",
        rows=[{"resolution": ""}, {"resolution": "2K"}],
        grid={"f": [{"resolution": "1K"}]},
    ) == ["resolution is set twice: by column 'resolution' (rows:2) and by axis 'f' (grid.f)."]


def test_a_column_whose_cells_are_all_empty_sets_nothing() -> None:
    manifest = load(prompt="a fox", rows=[{"resolution": ""}], grid={"f": [{"resolution": "2K"}]})

    assert sent(list(manifest.jobs()), "resolution") == [("2K",)]


def test_an_axis_and_a_column_of_the_same_name_are_a_mistake() -> None:
    assert mistakes_of(prompt="{{ a }}", rows=[{"a": 1}], grid={"a": [1]}) == [
        "'a' is an axis and a column of rows. Give one another name."
    ]


def test_where_there_is_a_prompt_a_column_of_that_name_is_only_a_variable() -> None:
    rows = [{"prompt": "a carafe"}, {"prompt": "a teapot"}]

    assert prompts_of(prompt="{{ prompt }}, studio light", rows=rows) == [
        "a carafe, studio light",
        "a teapot, studio light",
    ]
    assert load(prompt="{{ prompt }}", rows=rows).variables == ("prompt",)
    assert load(rows=rows).variables == ()


def test_where_there_is_a_prompt_a_key_of_that_name_is_only_a_variable() -> None:
    found = prompts_of(
        prompt="{{ prompt }} in {{ a.home }}", grid={"a": [{"prompt": "a fox", "home": "a wood"}]}
    )

    assert found == ["a fox in a wood"]


def test_an_axis_called_prompt_sets_the_prompt() -> None:
    assert prompts_of(grid={"prompt": ["a fox", "an owl {{ x }}"]}) == ["a fox", "an owl {{ x }}"]


def test_what_comes_from_data_is_not_rendered_again() -> None:
    found = prompts_of(
        prompt="{{ a }} {{ b }} {{ c }}",
        variables={"a": "{{ b }}"},
        rows=[{"b": "{{ c }}"}],
        grid={"c": ["{% if"]},
    )

    assert found == ["{{ b }} {{ c }} {% if"]


def test_a_name_with_blanks_is_reached_through_its_row() -> None:
    assert prompts_of(
        prompt='{{ row["Product Name"] }} {{ row.sku }}', rows=[{"Product Name": "jug", "sku": 1}]
    ) == ["jug 1"]


def test_constants_are_variables_of_templates_and_columns_of_the_ledger() -> None:
    manifest = load(
        prompt="{{ lens }} {{ client.name }}", variables={"lens": "85 mm", "client": {"name": "A"}}
    )

    assert manifest.variables == ("lens", "client.name")
    assert [job.variables for job in manifest.jobs()] == [{"lens": "85 mm", "client.name": "A"}]


def test_ledger_columns_come_in_order_of_first_appearance() -> None:
    manifest = load(
        prompt="{{ a }}{{ late }}",
        grid={"b": [{"n": 1, "m": 2}, {"n": 3, "k": 4}], "aspect_ratio": ["1:1"]},
        rows=[{"a": 1, "resolution": "2K"}],
        variables={"late": 1},
        parameters={"output_format": "png"},
    )

    assert manifest.variables == ("b.n", "b.m", "b.k", "a", "late")
    assert manifest.parameters == ("aspect_ratio", "resolution", "output_format")


# Prompts


def test_a_prompt_that_is_a_mapping_is_sent_as_json() -> None:
    [job] = jobs_of(
        prompt={"task": "poster", "text": "{{ title }}!", "palette": "{{ palette }}"},
        grid={"title": ['Rock "n" Roll'], "palette": [["#111111", 2]]},
    )

    assert json.loads(job.prompt) == {
        "task": "poster",
        "text": 'Rock "n" Roll!',
        "palette": ["#111111", 2],
    }


def test_an_empty_prompt_fails_its_job_alone() -> None:
    jobs = jobs_of(
        prompt="{% if title %}A {{ title }}{% endif %}", rows=[{"title": "jug"}, {"title": ""}]
    )

    assert [job.problem for job in jobs] == ["", "prompt: it is empty."]


def test_rows_that_cannot_be_rendered_fail_alone_and_stay_apart() -> None:
    rows = [{"n": n} for n in range(1, 1200)] + [{"n": 0}, {"n": "many"}]

    jobs = jobs_of(prompt="{{ 10 / n }}", rows=rows)

    assert [job.problem != "" for job in jobs] == [False] * 1199 + [True, True]
    assert len({job.job_id for job in jobs}) == len(jobs)


# Seeds


def test_the_automatic_seed_is_derived_from_the_identity() -> None:
    jobs = jobs_of(prompt="a fox", repeat=3)

    assert [job.seed for job in jobs] == [automatic_seed(job.job_id) for job in jobs]
    assert len({job.job_id for job in jobs}) == 3


@pytest.mark.parametrize("seed", ["auto", "none", {"start": 70}])
def test_one_take_alone_is_the_same_job_as_among_all(seed: object) -> None:
    grid = {"a": ["x", "y"]}
    several = jobs_of(prompt="{{ a }} {{ repeat }}", grid=grid, repeat=4, seed=seed)

    alone = jobs_of(prompt="{{ a }} {{ repeat }}", grid=grid, repeat={"take": 2}, seed=seed)

    assert alone == several[4:6]


@pytest.mark.parametrize("value", [{}, {"take": -1}, {"take": "x"}, {"take": 1, "takes": 2}])
def test_one_take_alone_is_named_by_its_number(value: object) -> None:
    [text] = mistakes_of(prompt="a fox", repeat=value)

    assert text.endswith("or one take alone, counted from 0: {take: 3}.")


@pytest.mark.parametrize(
    ("seed", "seeds"),
    [
        pytest.param("none", [None, None], id="none"),
        pytest.param({"start": 1000}, [1000, 1001], id="a start gives take k its own"),
        pytest.param({"start": "1000"}, [1000, 1001], id="a start as text"),
    ],
)
def test_seeds_of_two_takes(seed: object, seeds: list[int | None]) -> None:
    assert [job.seed for job in jobs_of(prompt="a fox", repeat=2, seed=seed)] == seeds


def test_a_list_of_seeds_is_the_last_axis() -> None:
    jobs = jobs_of(prompt="{{ a }}", grid={"a": ["x", "y"]}, seed=[5, 6])

    assert sent(jobs, "prompt", "seed") == [("x", 5), ("x", 6), ("y", 5), ("y", 6)]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"rows": [{"seed": 9}]}, id="a cell"),
        pytest.param({"grid": {"seed": [9]}}, id="an axis"),
        pytest.param({"grid": {"a": [{"seed": 9}]}}, id="a key"),
    ],
)
def test_a_seed_of_its_own_stands_above_seed(keys: dict[str, Any]) -> None:
    for seed in ("auto", "none", 3, {"start": 4}):
        assert [job.seed for job in jobs_of(prompt="a fox", seed=seed, **keys)] == [9]


def test_a_seed_under_parameters_is_the_weakest() -> None:
    assert [job.seed for job in jobs_of(prompt="x", parameters={"seed": 3})] == [3]
    assert [job.seed for job in jobs_of(prompt="x", parameters={"seed": 3}, seed=4)] == [4]


def test_one_seed_for_several_takes_proposes_a_start() -> None:
    [text] = mistakes_of(prompt="a fox", seed=1234, repeat=4)

    assert "{start: 1234}" in text


def test_an_endpoint_without_a_description_gets_only_a_seed_that_is_named() -> None:
    assert [job.seed for job in jobs_of(endpoint="a/b", prompt="x")] == [None]
    assert [job.seed for job in jobs_of(endpoint="a/b", prompt="x", seed=4)] == [4]
    [job] = jobs_of(endpoint="a/b", prompt="x", seed="auto")
    assert job.seed == automatic_seed(job.job_id)


# Identity


def test_the_identity_is_made_of_what_is_sent() -> None:
    [job] = jobs_of(prompt="a fox", parameters={"resolution": "2K", "aspect_ratio": "auto"})

    assert job.input["aspect_ratio"] == "auto"
    assert job.job_id == identify(
        endpoint=NB2, input={"prompt": "a fox", "resolution": "2K", "seed": "auto"}, repeat=0
    )


def test_a_given_seed_is_in_the_identity_and_the_take_is_not() -> None:
    jobs = jobs_of(prompt="a fox", seed={"start": 7}, repeat=2)

    assert [job.job_id for job in jobs] == [
        identify(endpoint=NB2, input={"prompt": "a fox", "seed": 7 + take}, repeat=None)
        for take in range(2)
    ]


def test_an_absent_seed_leaves_the_take_in_the_identity() -> None:
    jobs = jobs_of(prompt="a fox", seed="none", repeat=2)

    assert [job.job_id for job in jobs] == [
        identify(endpoint=NB2, input={"prompt": "a fox"}, repeat=take) for take in range(2)
    ]


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param({"parameters": {"resolution": "1K"}}, id="a default that is spelled out"),
        pytest.param({"parameters": {"safety_tolerance": 4}}, id="… in another type"),
        pytest.param({"filename": "{{ seed }}"}, id="a file name"),
        pytest.param({"run": {"concurrency": 3}}, id="how it is run"),
        pytest.param({"variables": {"lens": "85 mm"}}, id="another variable"),
        pytest.param({"grid": {"unused": ["x"]}}, id="an axis that changes nothing"),
        pytest.param({"rows": [{"aspect_ratio": "auto"}]}, id="a default in a cell"),
        pytest.param({"x-anything": 3}, id="a key that is ignored"),
        pytest.param({"seed": "auto"}, id="the automatic seed, spelled out"),
    ],
)
def test_nothing_else_enters_the_identity(keys: dict[str, Any]) -> None:
    [plain] = jobs_of(prompt="a fox")
    [job] = jobs_of(prompt="a fox", **keys)

    assert job.job_id == plain.job_id


def test_values_added_to_an_axis_leave_the_other_jobs_as_they_are() -> None:
    before = {job.job_id for job in jobs_of(prompt="{{ a }}", grid={"a": ["x", "y"]}, repeat=2)}
    after = {job.job_id for job in jobs_of(prompt="{{ a }}", grid={"a": ["z", "y", "x"]}, repeat=3)}

    assert before < after
    assert len(after) == 9


def test_a_key_keeps_rows_that_read_alike_apart() -> None:
    rows = [{"sku": "1", "title": "jug"}, {"sku": "2", "title": "jug"}]

    alike = [job.job_id for job in jobs_of(prompt="{{ title }}", rows=rows)]
    apart = [job.job_id for job in jobs_of(prompt="{{ title }}", rows=rows, key="sku")]

    assert alike[0] == alike[1]
    assert apart[0] != apart[1]
    assert apart == [job.job_id for job in jobs_of(prompt="{{ title }}", rows=rows, key=["sku"])]


def test_a_key_may_be_a_part_of_a_mapping_or_several_names() -> None:
    grid = {"a": [{"n": 1}, {"n": 2}], "b": [1, 2]}

    assert len({job.job_id for job in jobs_of(prompt="x", grid=grid, key="a.n")}) == 2
    assert len({job.job_id for job in jobs_of(prompt="x", grid=grid, key=["a.n", "b"])}) == 4


# Sweeps


def test_sweeps_are_blocks_with_what_stands_outside_for_defaults() -> None:
    jobs = jobs_of(
        prompt="{{ a }}{{ v }}{{ w }}",
        variables={"v": 1, "w": 1},
        parameters={"resolution": "2K", "aspect_ratio": "1:1"},
        grid={"a": ["x"]},
        sweeps=[
            {"parameters": {"aspect_ratio": "16:9"}, "variables": {"w": 2}},
            {"grid": {"a": ["y"]}, "prompt": "{{ a }}!"},
        ],
    )

    assert sent(jobs, "prompt", "resolution", "aspect_ratio") == [
        ("x12", "2K", "16:9"),
        ("y!", "2K", "1:1"),
    ]


def test_blocks_come_one_after_the_other_within_a_take() -> None:
    jobs = jobs_of(
        prompt="{{ sweep }}{{ a }}{{ repeat }}",
        grid={"a": ["x", "y"]},
        repeat=2,
        sweeps=[{"name": "p"}, {"name": "q", "repeat": 1}],
    )

    assert [job.prompt for job in jobs] == ["px0", "py0", "qx0", "qy0", "px1", "py1"]
    assert load(prompt="{{ sweep }}", sweeps=[{"name": "p"}]).variables == ("sweep",)


def test_a_sweep_may_have_another_endpoint() -> None:
    manifest = load(prompt="x", sweeps=[{}, {"endpoint": "fal-ai/gemini-3.1-flash-image-preview"}])

    assert manifest.endpoints == (NB2, "fal-ai/gemini-3.1-flash-image-preview")
    assert len({job.job_id for job in manifest.jobs()}) == 2


# Draw


def test_a_draw_takes_so_many_different_combinations_each_with_its_takes() -> None:
    grid = {"a": {"range": [100]}, "b": {"range": [100]}}
    jobs = jobs_of(prompt="{{ a }} {{ b }}", grid=grid, draw={"jobs": 40, "seed": 7}, repeat=2)

    assert len(jobs) == 40
    assert len({job.prompt for job in jobs}) == 20
    assert [job.repeat for job in jobs] == [0] * 20 + [1] * 20
    assert [job.prompt for job in jobs[:20]] == [job.prompt for job in jobs[20:]]


def test_a_draw_heeds_exclusions_and_includes_come_on_top() -> None:
    jobs = jobs_of(
        prompt="{{ a }}",
        grid={"a": {"range": [10]}},
        exclude=[{"a": [0, 1, 2, 3]}],
        include=[{"a": 77}],
        draw={"jobs": 6},
    )

    assert sorted(job.prompt for job in jobs[:6]) == ["4", "5", "6", "7", "8", "9"]
    assert [job.prompt for job in jobs[6:]] == ["77"]


def test_each_sweep_draws_its_own() -> None:
    jobs = jobs_of(
        prompt="{{ sweep }} {{ a }}",
        grid={"a": {"range": [1000]}},
        draw={"jobs": 5, "seed": 1},
        sweeps=[{"name": "p"}, {"name": "q"}, {"name": "r", "draw": {"jobs": 5, "seed": 2}}],
    )

    drawn = [[job.prompt[2:] for job in jobs[start : start + 5]] for start in (0, 5, 10)]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]


def test_a_draw_of_more_than_there_are_takes_all_with_a_warning() -> None:
    manifest = load(prompt="{{ a }}", grid={"a": [1, 2, 3]}, draw={"jobs": 100})

    assert manifest.count() == len(list(manifest.jobs())) == 3
    assert any("draw asks for 100 jobs and there are 3" in text for text in manifest.warnings)


def test_rows_are_drawn_like_axes() -> None:
    rows = [{"sku": n, "aspect_ratio": "1:1|16:9" if n % 2 else "4:3"} for n in range(50)]
    jobs = jobs_of(prompt="{{ sku }}", rows=rows, draw={"jobs": 75, "seed": 3})

    assert len(set(sent(jobs, "prompt", "aspect_ratio"))) == 75
    assert [job.prompt for job in jobs][:10] != [str(n) for n in range(10)]


# Numbers


def test_the_price_is_bounded_without_expansion() -> None:
    manifest = load(
        prompt="{{ a }} {{ b }}",
        grid={
            "a": {"range": [1000]},
            "b": {"range": [1000]},
            "resolution": ["1K", "4K"],
            "f": [{"num_images": 2}, {"thinking_level": "high"}],
        },
        exclude=[{"resolution": "4K", "a": [0, 1]}],
        seed="none",
    )

    assert manifest.count() == 1000 * 1000 * 2 * 2 - 2 * 1000 * 2
    assert manifest.price_bound_usd() == (
        1_000_000 * (Decimal("0.16") + Decimal("0.082"))
        + 998_000 * (Decimal("0.32") + Decimal("0.162"))
    )


def test_the_price_of_what_is_drawn_assumes_the_dearest() -> None:
    manifest = load(
        prompt="{{ a }}",
        grid={"a": {"range": [10]}, "resolution": ["1K", "4K"]},
        draw={"jobs": 12},
    )

    assert manifest.price_bound_usd() == 10 * Decimal("0.16") + 2 * Decimal("0.08")
    assert sum(job.price_usd or 0 for job in manifest.jobs()) <= manifest.price_bound_usd()


def test_an_unknown_price_is_unknown() -> None:
    manifest = load(prompt="x", sweeps=[{}, {"endpoint": "a/b"}])

    assert manifest.price_bound_usd() is None
    assert [job.price_usd for job in manifest.jobs()] == [Decimal("0.08"), None]


@pytest.mark.parametrize(
    ("keys", "shape"),
    [
        ({}, "1 job"),
        ({"repeat": 3}, "1 job, × 3 takes"),
        ({"grid": {"a": [1, 2], "b": [1]}}, "2 a × 1 b"),
        ({"grid": {"a": [1, 2]}, "repeat": 4}, "2 a × 4 takes"),
        ({"grid": {"a": [1, 2]}, "rows": [{"x": 1}]}, "1 row × 2 a"),
        ({"grid": {"a": [1, 2]}, "exclude": [{"a": 1}]}, "2 a − 1"),
        ({"grid": {"a": [1, 2]}, "draw": {"jobs": 1}}, "1 drawn of 2 (2 a)"),
        ({"grid": {"a": [1, 2]}, "sweeps": [{}, {}]}, "2 sweeps × (2 a)"),
    ],
)
def test_the_shape_says_what_jobs_are_combinations_of(keys: dict[str, Any], shape: str) -> None:
    assert load(prompt="x", **keys).shape == shape


# Files and options


def test_the_file_name_sees_seed_take_and_job_id() -> None:
    jobs = jobs_of(
        prompt="{{ a }}",
        grid={"a": ["x/y"], "aspect_ratio": ["16:9"]},
        filename="{{ a }}/{{ aspect_ratio }} {{ seed }} {{ repeat }} {{ job_id }}",
        seed={"start": 7},
    )

    [job] = jobs
    assert job.file == f"images/x-y/16x9 7 0 {job.job_id}"


def test_a_seed_that_is_not_sent_is_no_variable_of_the_file_name() -> None:
    [text] = mistakes_of(prompt="x", seed="none", filename="{{ seed }}")

    assert text.startswith("filename: there is no variable 'seed'.")


def test_the_options_of_a_run_are_settled() -> None:
    run = load(prompt="x", run={"budget": "12.50", "rate": "100/min", "download": "false"}).run

    assert run["budget_usd"] == Decimal("12.50")
    assert str(run["rate"]) == "100/min"
    assert run["download"] is False


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param(float("nan"), "grid.a: nan is no number that JSON has.", id="not a number"),
        pytest.param(2**60, f"grid.a: {2**60} is no number that JSON has.", id="too large"),
        pytest.param(
            {1, 2}, "grid.a: a set cannot stand in a manifest; write it as text.", id="set"
        ),
        pytest.param("\ud800", "grid.a: the text holds half a character.", id="half a character"),
    ],
)
def test_a_mapping_holds_plain_data_only(value: object, text: str) -> None:
    assert mistakes_of(prompt="{{ a }}", grid={"a": [value]}) == [text]


def test_a_mapping_without_a_name_is_told_to_have_one() -> None:
    with pytest.raises(ManifestError, match="batch is empty"):
        load_manifest({"prompt": "a fox"})


@pytest.mark.parametrize(
    "name", ["a/b", "..", ".hidden", "-n", "con", "NUL.txt", "x" * 101, " a", "a.", "a:b", ""]
)
def test_a_batch_is_named_like_a_folder(name: str) -> None:
    [text] = mistakes_of(prompt="x", batch=name)

    assert text.startswith("batch is ")


@pytest.mark.parametrize("name", ["portraits", "2024", "åre 2", "a.b", "nano-7", "影"])
def test_a_batch_may_have_any_other_name(name: str) -> None:
    assert load(prompt="x", batch=name).batch == name


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("night-\udcff", id="bytes of a file's name that are no text"),
        pytest.param("e\u0301toile", id="letters that are not composed"),
        pytest.param("a\u200bb", id="a blank that has no width"),
    ],
)
def test_a_batch_whose_name_does_not_print_is_refused(name: str) -> None:
    assert "characters that do not print" in batch_name_fault(name)
