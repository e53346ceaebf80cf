"""What holds for every manifest: counts, prices, samples and identities."""

from __future__ import annotations

import random
from collections import Counter
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchgen import load_manifest
from batchgen.job import Identifier, identify, job_id_of

NAMES = ("a", "b", "c")
RATIOS = ("1:1", "16:9", "4:3")

values = st.sampled_from(["x", "y", "z", 1, 2, "1:1", "no", 0.5])
ratios = st.lists(st.sampled_from(RATIOS), min_size=1, max_size=3, unique=True)
mappings = st.fixed_dictionaries(
    {"name": values}, optional={"resolution": st.sampled_from(["1K", "2K", "4K"])}
)
cells = st.sampled_from(["", "1K", "2K", "1K|2K", "1K|2K|4K"])
rows = st.lists(
    st.fixed_dictionaries(
        {"sku": st.integers(1, 4), "num_images": st.sampled_from(["", 1, "1|2"])}
    ),
    min_size=1,
    max_size=4,
)
excluded = st.lists(
    st.dictionaries(st.sampled_from(["a", "b", "m.name"]), values, min_size=1, max_size=2),
    max_size=3,
)


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """A manifest that loads: axes a and b, a zip m, rows, holes, extras, takes, sweeps."""
    unique = st.lists(values, min_size=1, max_size=4, unique_by=str)
    grid: dict[str, Any] = {"a": draw(unique), "b": draw(unique)}
    grid["m"] = draw(st.lists(mappings, min_size=1, max_size=3, unique_by=lambda m: str(m["name"])))
    if draw(st.booleans()):
        grid["aspect_ratio"] = draw(ratios)
    manifest: dict[str, Any] = {
        "batch": "b",
        "prompt": "{{ a }}, {{ b }}, {{ m.name }}",
        "grid": grid,
        "exclude": draw(excluded),
        "include": [],
        "repeat": draw(st.integers(1, 3)),
        "seed": draw(st.sampled_from(["auto", "none", {"start": 5}])),
    }
    if draw(st.booleans()):
        manifest["rows"] = draw(rows)
        manifest["key"] = "sku"
    if draw(st.booleans()):
        manifest["include"] = [
            {name: axis[0] for name, axis in grid.items()} | {"a": extra}
            for extra in draw(st.lists(values, max_size=2))
        ]
    if draw(st.booleans()):
        manifest["draw"] = {"jobs": draw(st.integers(1, 60)), "seed": draw(st.integers(0, 3))}
    if draw(st.booleans()):
        manifest["sweeps"] = [{"name": "p"}, {"name": "q", "parameters": {"output_format": "jpeg"}}]
    return manifest


def is_empty(manifest: dict[str, Any]) -> bool:
    """Say whether exclusions remove everything, which is a mistake."""
    entries = manifest["exclude"]
    if manifest["include"]:
        return False
    combinations = [
        {"a": a, "b": b, "m.name": m["name"]}
        for a in manifest["grid"]["a"]
        for b in manifest["grid"]["b"]
        for m in manifest["grid"]["m"]
    ]
    return all(
        any(all(str(c[name]) == str(value) for name, value in e.items()) for e in entries)
        for c in combinations
    )


relaxed = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


@given(manifests())
@relaxed
def test_counting_equals_expansion(manifest: dict[str, Any]) -> None:
    if is_empty(manifest):
        return
    found = load_manifest(manifest)

    assert found.count() == sum(1 for _ in found.jobs())


@given(manifests())
@relaxed
def test_the_price_bound_is_what_all_jobs_cost_unless_they_are_drawn(
    manifest: dict[str, Any],
) -> None:
    if is_empty(manifest):
        return
    found = load_manifest(manifest)
    cost = sum((job.price_usd or Decimal(0) for job in found.jobs()), Decimal(0))

    bound = found.price_bound_usd()

    assert bound is not None
    assert cost <= bound if "draw" in manifest else cost == bound


@given(manifests(), st.integers(1, 60))
@relaxed
def test_a_sample_is_a_part_of_the_jobs_in_their_order(manifest: dict[str, Any], n: int) -> None:
    if is_empty(manifest):
        return
    found = load_manifest(manifest)
    whole = [(job.job_id, job.file) for job in found.jobs()]

    sample = [(job.job_id, job.file) for job in found.jobs(sample=str(n))]

    assert len(sample) == min(n, len(whole))
    assert Counter(sample) <= Counter(whole)
    if "draw" not in manifest:
        rest = iter(whole)
        assert all(job in rest for job in sample)


@given(manifests(), st.randoms(use_true_random=False))
@relaxed
def test_the_identity_does_not_depend_on_order(
    manifest: dict[str, Any], shuffle: random.Random
) -> None:
    if is_empty(manifest):
        return
    manifest.pop("draw", None)
    mixed = _mixed(manifest, shuffle)

    before = Counter(job.job_id for job in load_manifest(manifest).jobs())
    after = Counter(job.job_id for job in load_manifest(mixed).jobs())

    assert before == after


@given(manifests())
@relaxed
def test_an_id_is_that_of_what_is_sent(manifest: dict[str, Any]) -> None:
    if is_empty(manifest):
        return
    found = load_manifest(manifest)
    endpoint = found.blocks[0].maker.endpoint
    for job in found.jobs():
        sent = endpoint.without_defaults(job.input)
        if manifest["seed"] == "auto":
            sent["seed"] = "auto"
        expected = identify(
            endpoint=job.endpoint,
            input=sent,
            repeat=None if isinstance(manifest["seed"], dict) else job.repeat,
            key=[job.variables["sku"]] if "key" in manifest else None,
        )
        assert job.job_id == expected


@given(manifests())
@relaxed
def test_two_different_jobs_never_share_a_file(manifest: dict[str, Any]) -> None:
    if is_empty(manifest):
        return
    found = load_manifest({**manifest, "filename": "{{ a }}/{{ b }}"})
    files = {(job.job_id, job.file.casefold()) for job in found.jobs()}

    assert len({job_id for job_id, _ in files}) == len({file for _, file in files}) == len(files)


texts = st.text(st.characters(exclude_categories=["Cs"]))
inputs = st.dictionaries(
    texts.filter(lambda name: name not in ("prompt", "seed")),
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | texts
        | st.floats(allow_nan=False, allow_infinity=False),
        lambda below: st.lists(below, max_size=3) | st.dictionaries(texts, below, max_size=3),
        max_leaves=5,
    ),
    max_size=4,
)  # fmt: skip


@given(
    endpoint=texts,
    shared=inputs,
    prompt=texts,
    seed=st.none() | st.just("auto") | st.integers(0, 2**31),
    repeat=st.none() | st.integers(0, 5),
    key=st.none() | st.lists(texts | st.integers(0, 9)),
)
def test_the_quick_way_to_an_id_is_the_slow_way(
    endpoint: str,
    shared: dict[str, Any],
    prompt: str,
    seed: int | str | None,
    repeat: int | None,
    key: Any,
) -> None:
    whole = {**shared, "prompt": prompt}
    if seed is not None:
        whole["seed"] = seed

    quick = Identifier(endpoint=endpoint, input=shared).number(
        prompt, seed=seed, repeat=repeat, key=key
    )

    assert job_id_of(quick) == identify(endpoint=endpoint, input=whole, repeat=repeat, key=key)


def _mixed(value: Any, shuffle: random.Random, *, of: str = "") -> Any:
    """Return the same with the keys of every mapping, and the values of axes, in another order."""
    if isinstance(value, dict):
        items = [(key, _mixed(below, shuffle, of=key)) for key, below in value.items()]
        shuffle.shuffle(items)
        return dict(items)
    if isinstance(value, list):
        entries = [_mixed(below, shuffle) for below in value]
        shuffle.shuffle(entries)
        return entries
    return value
