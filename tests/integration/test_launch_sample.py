"""A run of a sample is about the sample: what it shows and what it reports."""

from __future__ import annotations

from pathlib import Path

from support.night import PRICE, night, shots


async def test_the_progress_of_a_sample_counts_to_the_end_of_the_sample(tmp_path: Path) -> None:
    async with night(tmp_path) as one:
        report = await one.run(shots(60), sample="10%")

    assert (one.progress.total, one.progress.done) == (6, 6)
    assert (report.jobs, report.succeeded, report.left) == (6, 6, 0)


async def test_a_stopped_sample_of_a_huge_manifest_leaves_what_is_left_of_the_sample(
    tmp_path: Path,
) -> None:
    huge = shots(1_000, repeat=1_000)

    async with night(tmp_path) as one:
        report = await one.run(huge, sample="20%", budget_usd=3 * PRICE, concurrency=2)

    assert report.bill.spent_usd == 3 * PRICE
    assert (report.jobs, report.succeeded, report.left) == (200_000, 3, 199_997)
