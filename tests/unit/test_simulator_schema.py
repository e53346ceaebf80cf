"""What the simulated endpoints take, by the protocol notes' section 9, and what they bill."""

from __future__ import annotations

from decimal import Decimal

import pytest

from batchgen.simulator import bill
from batchgen.simulator.answer import Json
from batchgen.simulator.schema import KNOWN, check_input
from batchgen.simulator.size import Size, size_of

APPLICATION = "fal-ai/nano-banana-2"


def wrong(given: dict[str, Json], path: str = "") -> list[tuple[Json, Json]]:
    found = check_input(given, KNOWN[APPLICATION][path])
    return [(entry["loc"], entry["type"]) for entry in found if isinstance(entry, dict)]


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="a prompt is enough"),
        pytest.param({"num_images": 4, "seed": 0}, id="up to four images, any seed"),
        pytest.param({"aspect_ratio": "8:1"}, id="the ratios beyond the reference"),
        pytest.param({"safety_tolerance": "6"}, id="the tolerance is a text"),
        pytest.param({"thinking_level": "high", "enable_web_search": True}, id="what costs extra"),
        pytest.param({"seed": None, "thinking_level": None}, id="null is as good as left out"),
        pytest.param({"guidance_scale": 7}, id="a parameter that nobody has is passed over"),
        pytest.param({"resolution": "0.5K", "output_format": "webp"}, id="enums"),
    ],
)
def test_inputs_that_fit(given: dict[str, Json]) -> None:
    assert wrong({"prompt": "a fox", **given}) == []


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        pytest.param({"prompt": ""}, "string_too_short", id="an empty prompt"),
        pytest.param({"prompt": None}, "string_type", id="no prompt"),
        pytest.param({"prompt": {"a": 1}}, "string_type", id="a prompt that is a mapping"),
        pytest.param({"num_images": 0}, "greater_than_equal", id="no images"),
        pytest.param({"num_images": 5}, "less_than_equal", id="five images"),
        pytest.param({"num_images": "2"}, "int_type", id="a count as text"),
        pytest.param({"num_images": True}, "int_type", id="a count that is true"),
        pytest.param({"seed": 1.0}, "int_type", id="a seed with a fraction"),
        pytest.param({"aspect_ratio": 61}, "literal_error", id="a ratio that YAML made a number"),
        pytest.param({"aspect_ratio": "16:09"}, "literal_error", id="a ratio that was a time"),
        pytest.param({"safety_tolerance": 4}, "literal_error", id="a tolerance as number"),
        pytest.param({"sync_mode": "true"}, "bool_type", id="a flag as text"),
        pytest.param({"output_format": "jpg"}, "literal_error", id="jpg for jpeg"),
    ],
)
def test_inputs_that_do_not_fit(given: dict[str, Json], kind: str) -> None:
    (name,) = given

    assert wrong({"prompt": "a fox", **given}) == [(["body", name], kind)]


def test_every_mistake_is_told() -> None:
    found = wrong({"num_images": 9, "resolution": "8K"})

    assert found == [
        (["body", "prompt"], "missing"),
        (["body", "num_images"], "less_than_equal"),
        (["body", "resolution"], "literal_error"),
    ]


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        pytest.param(["https://example.com/a.png"], [], id="one reference"),
        pytest.param([], [(["body", "image_urls"], "too_short")], id="none"),
        pytest.param(["x"] * 15, [(["body", "image_urls"], "too_long")], id="fifteen"),
        pytest.param("x", [(["body", "image_urls"], "list_type")], id="no list"),
        pytest.param([1], [(["body", 0], "string_type")], id="no text"),
    ],
)
def test_edit_wants_references(references: Json, expected: list[tuple[Json, Json]]) -> None:
    assert wrong({"prompt": "a fox", "image_urls": references}, "edit") == expected


def test_edit_without_references_is_refused() -> None:
    assert wrong({"prompt": "a fox"}, "edit") == [(["body", "image_urls"], "missing")]


@pytest.mark.parametrize(
    ("given", "images", "expected"),
    [
        pytest.param({}, 1, "1", id="1K is one unit"),
        pytest.param({"resolution": "0.5K"}, 1, "0.75", id="half a K"),
        pytest.param({"resolution": "2K"}, 2, "3", id="2K, two images"),
        pytest.param({"resolution": "4K"}, 1, "2", id="4K"),
        pytest.param({"enable_web_search": True}, 2, "2.375", id="search, for each image"),
        pytest.param({"thinking_level": "high"}, 1, "1.025", id="thinking"),
        pytest.param({"thinking_level": "minimal"}, 1, "1", id="little thinking is free"),
        pytest.param({}, 10, "10", id="no exponent"),
    ],
)
def test_units(given: dict[str, Json], images: int, expected: str) -> None:
    assert bill.written(bill.units(given, images=images)) == expected


def test_a_unit_costs_what_an_image_at_1k_costs() -> None:
    assert bill.UNIT_PRICE_USD * bill.units({"resolution": "4K"}, images=1) == Decimal("0.16")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param({}, Size(width=1024, height=1024), id="the default is square at 1K"),
        pytest.param({"aspect_ratio": "16:9"}, Size(width=1376, height=768), id="wide"),
        pytest.param(
            {"aspect_ratio": "9:16", "resolution": "4K"}, Size(width=3072, height=5504), id="4K"
        ),
        pytest.param(
            {"aspect_ratio": "1:8", "resolution": "0.5K"}, Size(width=192, height=1536), id="0.5K"
        ),
        pytest.param({"aspect_ratio": "auto"}, Size(width=1024, height=1024), id="auto"),
    ],
)
def test_sizes(given: dict[str, Json], expected: Size) -> None:
    assert size_of(given) == expected


def test_images_can_be_made_smaller_for_tests() -> None:
    assert size_of({"aspect_ratio": "16:9"}, scale=1 / 16) == Size(width=86, height=48)
