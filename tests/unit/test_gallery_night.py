"""How the work went, and the drawings of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from xml.etree import ElementTree as ET

import pytest

from batchgen.attempt import timestamp
from batchgen.gallery.charts import COLOURS, Money, draw_charts
from batchgen.gallery.item import Header, Item, Status
from batchgen.gallery.night import PAUSE, TICK_S, Night, Stretch, stretches
from batchgen.gallery.vector import as_part
from batchgen.ledger import Columns

BEGAN = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
HEADER = Header(columns=Columns().header, parameters=(), variables=())
MONEY = Money(spent_usd=Decimal("9.60"), quoted_usd=Decimal(16), limit_usd=Decimal(20))


def item(second: float, *, wait_s: float = 8.0, error_type: str = "") -> Item:
    ended = BEGAN + timedelta(seconds=second)
    cells = dict.fromkeys(HEADER.columns, "")
    cells |= {
        "submitted_at": timestamp(ended - timedelta(seconds=wait_s)),
        "finished_at": timestamp(ended),
        "cost_usd": "" if error_type else "0.08",
        "error_type": error_type,
        "error": "no",
        "prompt": f"prompt {second}",
    }
    status = Status.FAILED if error_type else Status.SUCCEEDED
    return Item(header=HEADER, cells=list(cells.values()), status=status)


def night_of(*items: Item) -> Night:
    night = Night()
    for position, one in enumerate(items):
        night.add(one, position)
    return night


def test_images_and_charges_are_counted_when_they_came() -> None:
    night = night_of(item(0), item(1), item(60))

    assert sorted(night.made.values()) == [1, 2]
    assert sum(night.spent_usd.values()) == pytest.approx(0.24)
    assert list(night.waits_s) == [8.0, 8.0, 8.0]


def test_requests_are_open_from_submission_to_disk() -> None:
    night = night_of(item(5, wait_s=5), item(10, wait_s=10), item(17, wait_s=4.5))
    [stretch] = night.stretches

    assert night.open_on_average(stretch) == pytest.approx([2, 1, 0.5, 0.4])


def test_each_class_of_failures_has_its_count_and_its_first_example() -> None:
    night = night_of(
        item(0, error_type="b"), item(1, error_type="a"), item(2), item(3, error_type="a")
    )

    shown = [(one.error_type, one.count, one.prompt, one.position) for one in night.failures]
    assert shown == [("a", 2, "prompt 1", 1), ("b", 1, "prompt 0", 0)]


@pytest.mark.parametrize(
    ("ticks", "expected"),
    [
        pytest.param([], [], id="nothing happened"),
        pytest.param([5], [(5, 5)], id="one moment"),
        pytest.param([9, 5, 7], [(5, 9)], id="in order of time"),
        pytest.param([0, PAUSE], [(0, PAUSE)], id="a short pause"),
        pytest.param([0, PAUSE + 1], [(0, 0), (PAUSE + 1, PAUSE + 1)], id="a long pause"),
    ],
)
def test_long_pauses_are_left_out(ticks: list[int], expected: list[tuple[int, int]]) -> None:
    found = stretches(ticks)

    assert found == [Stretch(first=first, last=last) for first, last in expected]


def test_what_has_no_time_is_counted_and_drawn_nowhere() -> None:
    left = Item(header=HEADER, cells=[""] * len(HEADER.columns), status=Status.LEFT)

    night = night_of(left)

    assert night.statuses[Status.LEFT] == 1
    assert draw_charts(night, money=MONEY, zone=UTC) == []


@pytest.mark.parametrize(
    "seconds",
    [
        pytest.param([0], id="one image"),
        pytest.param([0, 3, 9, 40], id="a minute"),
        pytest.param(range(0, 28_800, 240), id="a night"),
        pytest.param([*range(0, 7200, 60), *range(80_000, 90_000, 60)], id="two nights"),
    ],
)
def test_every_drawing_is_one_that_a_page_may_hold(seconds: list[int]) -> None:
    pytest.importorskip("matplotlib")
    night = night_of(*(item(one) for one in seconds), item(7, error_type="<&> $x$ \\frac"))

    charts = draw_charts(night, money=MONEY, zone=UTC)

    assert [chart.title for chart in charts] == [
        *("Images a minute", "Spend", "Under way", "How long an image took", "Failures"),
    ]
    ids: list[str] = []
    for chart in charts:
        root = ET.fromstring(chart.svg)
        for element in root.iter():
            assert "style" not in element.attrib
            assert not element.tag.endswith(("style", "script", "metadata"))
            assert not set(COLOURS) & set(element.attrib.values())
            ids += [element.attrib["id"]] if "id" in element.attrib else []
    assert len(ids) == len(set(ids))
    assert "&lt;&amp;&gt; $x$ \\frac" in charts[-1].svg


def test_the_window_is_drawn_where_the_log_tells_of_it() -> None:
    pytest.importorskip("matplotlib")
    night = night_of(item(5), item(60))
    before = draw_charts(night, money=MONEY, zone=UTC)
    night.add_limit("2026-11-22T22:00:10+0000", 20)
    night.add_limit("2026-11-22T23:00:30+0100", 10)
    night.add_limit("yesterday", 99)

    after = draw_charts(night, money=MONEY, zone=UTC)

    tick = int(BEGAN.timestamp() // TICK_S)
    assert night.limits == [(tick + 2, 20), (tick + 6, 10)]
    changed = [two.title for one, two in zip(before, after, strict=True) if one != two]
    assert changed == ["Under way"]
    assert "the dashed line is the window" in after[2].note


def test_a_page_for_others_has_no_drawing_of_money() -> None:
    pytest.importorskip("matplotlib")
    night = night_of(item(0), item(30))

    charts = draw_charts(night, money=None, zone=UTC)

    assert "Spend" not in [chart.title for chart in charts]
    assert "$" not in "".join(chart.svg for chart in charts)


def test_a_drawing_takes_the_pages_colours_and_keeps_its_names_to_itself() -> None:
    drawn = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        'width="9pt" height="9pt" viewBox="0 0 9 9"><metadata/><defs><style>*{}</style>'
        '<path id="p" d="M0 0"/></defs><g clip-path="url(#c)"><use xlink:href="#p" '
        'style="fill: #010101; stroke: #ff0000"/><text style="font: 10px \'DejaVu Sans\'; '
        'text-anchor: middle">a</text></g></svg>'
    )

    part = as_part(drawn, name="pace", label="Pace", colours={"#010101": "var(--ink)"})

    assert 'fill="var(--ink)"' in part
    assert 'stroke="#ff0000"' in part
    assert 'id="pace-p"' in part
    assert 'href="#pace-p"' in part
    assert 'clip-path="url(#pace-c)"' in part
    assert 'font-size="10"' in part
    assert 'text-anchor="middle"' in part
    assert "style" not in part
    assert 'role="img" aria-label="Pace"' in part
