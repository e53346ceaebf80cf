"""How a run's process is set up."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from batchgen.event_loop import RARELY, collect_rarely


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collector")
def test_what_is_there_before_a_run_is_not_looked_through_again() -> None:
    collect_rarely()

    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] == RARELY
    assert gc.isenabled()
