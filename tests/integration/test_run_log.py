"""`run.log`: nothing that was told is missing, and what matters is there at once."""

from __future__ import annotations

import asyncio
import logging
import re
from pathlib import Path

import pytest

from batchgen.batch import Batch
from batchgen.run_log import log_to

logger = logging.getLogger("batchgen.a_part")


@pytest.fixture
def batch(tmp_path: Path) -> Batch:
    batch = Batch(tmp_path / "night")
    batch.folder.mkdir()
    return batch


def lines(batch: Batch) -> list[str]:
    return batch.log_path.read_text(encoding="utf-8").splitlines()


async def test_a_line_begins_with_its_time_and_how_much_it_matters(batch: Batch) -> None:
    with log_to(batch):
        logger.info("it begins")

    assert len(lines(batch)) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} INFO it begins", lines(batch)[0])


async def test_every_line_is_there_when_the_run_has_ended(batch: Batch) -> None:
    with log_to(batch):
        for number in range(100):
            logger.info("line %d", number)

    assert [line.split()[-1] for line in lines(batch)] == [str(number) for number in range(100)]


async def test_a_warning_is_there_at_once_with_all_that_came_before(batch: Batch) -> None:
    with log_to(batch):
        logger.info("one")
        logger.warning("two")

        assert [line.split()[-1] for line in lines(batch)] == ["one", "two"]


async def test_what_is_no_warning_is_there_a_moment_later(batch: Batch) -> None:
    with log_to(batch):
        logger.info("one")

        async with asyncio.timeout(60):
            while not lines(batch):
                await asyncio.sleep(0.05)


def test_without_an_event_loop_every_line_is_there_at_once(batch: Batch) -> None:
    with log_to(batch):
        logger.info("one")

        assert len(lines(batch)) == 1


async def test_after_a_run_nobody_listens_any_more(batch: Batch) -> None:
    with log_to(batch):
        pass

    logger.warning("too late")

    assert lines(batch) == []
    assert logging.getLogger("batchgen").handlers == []
