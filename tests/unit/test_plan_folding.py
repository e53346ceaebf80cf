"""The example of two jobs that are one."""

from __future__ import annotations

from support.plans import make_job

from batchgen.planning.folding import find_fold


def test_an_example_names_both_and_what_differs_in_vain() -> None:
    first = make_job("mug", line="products.csv:3", variables={"title": "mug", "sku": "1"})
    second = make_job("mug", line="products.csv:7", variables={"title": "mug", "sku": "2"})
    jobs = [make_job("jug"), first, make_job("vase"), second]

    fold = find_fold(jobs, second)

    assert fold is not None
    assert (fold.first, fold.second) == (first, second)
    assert fold.differing == ("sku",)


def test_equal_rows_differ_in_nothing() -> None:
    fold = find_fold([make_job(), make_job()], make_job())

    assert fold is not None
    assert fold.differing == ()
