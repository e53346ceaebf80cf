"""Where a result's rows are, packed in one number."""

from __future__ import annotations

import pytest

from batchgen.place import Place

PLACES = [
    pytest.param(
        Place(
            started=86,
            last=523,
            submitted_at="2026-11-22T21:30:02.000Z",
            at="2026-11-22T21:30:03.007Z",
        ),
        id="at a file's beginning",
    ),
    pytest.param(
        Place(
            started=2**48 - 2,
            last=2**48 - 1,
            submitted_at="0001-01-01T00:00:00.000Z",
            at="9999-12-31T23:59:59.999Z",
        ),
        id="as far as a file may reach",
    ),
    pytest.param(Place(started=1, last=2, submitted_at="", at=""), id="without times"),
]


@pytest.mark.parametrize("place", PLACES)
def test_it_is_the_same_when_it_is_unpacked(place: Place) -> None:
    assert Place.unpack(place.packed()) == place
