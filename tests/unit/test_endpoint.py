"""What an endpoint takes, and what it costs."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from batchgen.endpoint import _describe, described_endpoints, load_endpoint
from batchgen.job import Json
from batchgen.parameter import UnfitValueError, advice

NANO = "fal-ai/nano-banana-2"
EDIT = "fal-ai/nano-banana-2/edit"
FLASH = "fal-ai/gemini-3.1-flash-image-preview"
RATIOS = "auto, 21:9, 16:9, 3:2, 4:3, 5:4, 1:1, 4:5, 3:4, 2:3, 9:16, 4:1, 1:4, 8:1, 1:8"

SCHEMAS = cast("dict[str, Any]", _describe("nano-banana-2-edit")["parameters"])["properties"]


def test_four_endpoints_have_a_description() -> None:
    assert described_endpoints() == (FLASH, f"{FLASH}/edit", NANO, EDIT)


def test_the_parameters_stand_in_the_order_of_the_reference() -> None:
    assert load_endpoint(NANO).parameters == (
        "prompt", "num_images", "aspect_ratio", "resolution", "output_format", "seed",
        "enable_web_search", "safety_tolerance", "sync_mode", "limit_generations",
        "thinking_level",
    )  # fmt: skip
    assert load_endpoint(EDIT).parameters == (*load_endpoint(NANO).parameters, "image_urls")


def test_the_sibling_takes_and_costs_the_same() -> None:
    nano, flash = load_endpoint(NANO), load_endpoint(FLASH)

    assert flash.id == FLASH
    assert flash.parameters == nano.parameters
    assert flash.price_lines() == nano.price_lines()
    assert flash.version == nano.version
    with pytest.raises(ValueError, match=f"{FLASH} takes 0.5K"):
        flash.settle("resolution", "8K")


@pytest.mark.parametrize("name", ["nano-banana-2", "nano-banana-2-edit"])
def test_a_description_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(_describe(name)["parameters"])


def test_the_defaults_fit_the_schema() -> None:
    endpoint = load_endpoint(NANO)
    defaults = {
        name: endpoint.default(name)
        for name in endpoint.parameters
        if name not in {"prompt", "seed", "thinking_level"}
    }

    Draft202012Validator(_describe("nano-banana-2")["parameters"]).validate(
        {"prompt": "a fox", **defaults}
    )


@pytest.mark.parametrize(
    ("name", "value", "settled"),
    [
        ("num_images", "2", 2),
        ("num_images", 2, 2),
        ("num_images", "2.0", 2),
        ("num_images", 2.0, 2),
        ("seed", "007", 7),
        ("seed", "-5", -5),
        ("seed", 2**53 - 1, 2**53 - 1),
        ("safety_tolerance", 4, "4"),
        ("safety_tolerance", "4", "4"),
        ("sync_mode", "true", True),
        ("sync_mode", "FALSE", False),
        ("sync_mode", True, True),
        ("aspect_ratio", "16:9", "16:9"),
        ("aspect_ratio", "8:1", "8:1"),
        ("resolution", "0.5K", "0.5K"),
        ("thinking_level", "high", "high"),
        ("prompt", " a fox ", " a fox "),
        ("prompt", 7, "7"),
        ("prompt", 0.5, "0.5"),
        ("prompt", True, "true"),
        ("image_urls", "https://a.example/b.png", ["https://a.example/b.png"]),
        ("image_urls", '["https://a.example", "data:,x"]', ["https://a.example", "data:,x"]),
        ("image_urls", ["https://a.example"], ["https://a.example"]),
    ],
)
def test_a_value_takes_the_type_that_the_service_needs(
    name: str, value: Json, settled: Json
) -> None:
    result = load_endpoint(EDIT).settle(name, value)

    assert result == settled
    assert type(result) is type(settled)


@pytest.mark.parametrize(
    ("name", "value", "shown", "meant", "cause"),
    [
        pytest.param("aspect_ratio", "16:09", "'16:09'", "16:9", "spreadsheet", id="minutes"),
        pytest.param("aspect_ratio", "01:01", "'01:01'", "1:1", "spreadsheet", id="hours"),
        pytest.param("aspect_ratio", "16:09:00", "'16:09:00'", "16:9", "spreadsheet", id="seconds"),
        pytest.param("aspect_ratio", "9:09 PM", "'9:09 PM'", "21:9", "spreadsheet", id="pm"),
        pytest.param("aspect_ratio", 969, "'969'", "16:9", "base 60", id="another YAML reader"),
        pytest.param("aspect_ratio", "16x9", "'16x9'", "16:9", "slip", id="an x"),
        pytest.param("aspect_ratio", "16/9", "'16/9'", "16:9", "slip", id="a slash"),
        pytest.param("aspect_ratio", "16:9 ", "'16:9 '", "16:9", "slip", id="a blank behind"),
        pytest.param("aspect_ratio", "16:10", "'16:10'", None, "", id="no such ratio"),
        pytest.param("resolution", "1k", "'1k'", "1K", "slip", id="lower case"),
        pytest.param("resolution", "2 K", "'2 K'", "2K", "slip", id="a blank within"),
        pytest.param("resolution", "3K", "'3K'", None, "", id="no such resolution"),
        pytest.param("output_format", "PNG", "'PNG'", "png", "slip", id="upper case"),
        pytest.param("output_format", "jpg", "'jpg'", "jpeg", "slip", id="another name"),
        pytest.param("output_format", None, "empty", None, "", id="null"),
        pytest.param("output_format", "", "empty", None, "", id="an empty text"),
        pytest.param("output_format", {"a": 1}, "a mapping (a)", None, "", id="a mapping"),
        pytest.param("num_images", 7, "'7'", None, "", id="too many"),
        pytest.param("num_images", 0, "'0'", None, "", id="too few"),
        pytest.param("num_images", "2 ", "'2 '", "2", "slip", id="a number and a blank"),
        pytest.param("num_images", 1.5, "'1.5'", None, "", id="half an image"),
        pytest.param("num_images", True, "'true'", None, "", id="a boolean is no number"),
        pytest.param("num_images", ["1"], "['1']", None, "", id="a list"),
        pytest.param("seed", "auto", "'auto'", None, "", id="a word is no seed"),
        pytest.param("seed", "9" * 5000, f"'{'9' * 77}…'", None, "", id="a number beyond all"),
        pytest.param("sync_mode", "yes", "'yes'", "true", "slip", id="yes"),
        pytest.param("sync_mode", 0, "'0'", "false", "slip", id="zero"),
        pytest.param("sync_mode", "maybe", "'maybe'", None, "", id="no boolean"),
        pytest.param("safety_tolerance", 7, "'7'", None, "", id="beyond the scale"),
        pytest.param("safety_tolerance", True, "'true'", None, "", id="true is not 1"),
        pytest.param("prompt", "", "empty", None, "", id="no prompt"),
        pytest.param("prompt", " \n", "' \n'", None, "", id="a prompt of blanks"),
        pytest.param("prompt", ["a"], "['a']", None, "", id="a prompt that is a list"),
        pytest.param("image_urls", [], "a list of 0", None, "", id="no images"),
        pytest.param("image_urls", "fox.png", "['fox.png']", None, "", id="a file of ours"),
    ],
)
def test_a_value_that_is_not_taken_is_shown_and_what_was_meant_is_named(
    name: str, value: Json, shown: str, meant: str | None, cause: str
) -> None:
    with pytest.raises(UnfitValueError) as caught:
        load_endpoint(EDIT).settle(name, value)

    error = caught.value
    assert (error.name, error.shown, error.meant, error.cause) == (name, shown, meant, cause)
    assert str(error).startswith(f"{name} is {shown}.")
    assert str(error).endswith(f"{EDIT} takes {error.takes}.")


def test_the_text_says_what_a_spreadsheet_did_and_what_is_taken() -> None:
    with pytest.raises(UnfitValueError) as caught:
        load_endpoint(NANO).settle("aspect_ratio", "16:09")

    assert str(caught.value).splitlines() == [
        "aspect_ratio is '16:09'.",
        "  A spreadsheet has made a time of the ratio: write 16:9 "
        "(in Excel, format the column as Text before typing).",
        f"  {NANO} takes {RATIOS}.",
    ]


def test_many_values_make_one_advice() -> None:
    errors = []
    for value in ("16:09", "01:01", "16:09", "1 : 1"):
        with pytest.raises(UnfitValueError) as caught:
            load_endpoint(NANO).settle("aspect_ratio", value)
        errors.append(caught.value)

    assert advice(errors) == (
        "A spreadsheet has made times of the ratios: write 16:9 and 1:1 "
        "(in Excel, format the column as Text before typing).",
        "Did you mean 1:1?",
        f"{NANO} takes {RATIOS}.",
    )


@pytest.mark.parametrize(
    ("name", "takes"),
    [
        ("aspect_ratio", RATIOS),
        ("num_images", "a whole number from 1 to 4"),
        ("seed", "a whole number"),
        ("sync_mode", "true, false"),
        ("prompt", "text that is not empty"),
        ("image_urls", "1 to 14 addresses that begin with https:// or data:"),
    ],
)
def test_what_a_parameter_takes_can_be_said(name: str, takes: str) -> None:
    assert load_endpoint(EDIT).takes(name) == takes


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 1000) | st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["16:9", "1K", "4", "png", "high", "true", "2", "2.0", " 2", "https://a"]),
    st.lists(st.text(max_size=8) | st.just("data:,x"), max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)


@settings(deadline=None)
@given(name=st.sampled_from(load_endpoint(EDIT).parameters), value=_VALUES)
def test_whatever_is_settled_fits_the_schema_and_settles_to_itself(name: str, value: Json) -> None:
    endpoint = load_endpoint(EDIT)
    try:
        settled = endpoint.settle(name, value)
    except UnfitValueError:
        return

    Draft202012Validator(SCHEMAS[name]).validate(settled)
    assert endpoint.settle(name, settled) == settled


@settings(deadline=None)
@given(name=st.sampled_from(load_endpoint(EDIT).parameters), value=_VALUES)
def test_whatever_fits_the_schema_is_taken(name: str, value: Json) -> None:
    if Draft202012Validator(SCHEMAS[name]).is_valid(value):
        assert load_endpoint(EDIT).settle(name, value) == value


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("aspect_ration", "aspect_ratio"),
        ("Aspect-Ratio", "aspect_ratio"),
        ("ratio", "aspect_ratio"),
        ("size", "resolution"),
        ("web_search", "enable_web_search"),
        ("num_image", "num_images"),
        ("negative_prompt", None),
        ("guidance_scale", None),
    ],
)
def test_a_name_that_is_nearly_a_parameter_is_recognised(name: str, near: str | None) -> None:
    endpoint = load_endpoint(NANO)

    assert endpoint.nearest(name) == near
    assert not endpoint.knows(name)


def test_there_is_no_negative_prompt_and_the_text_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="has no 'negative_prompt'") as caught:
        load_endpoint(NANO).settle("negative_prompt", "blur")

    assert str(caught.value) == (
        f"{NANO} has no 'negative_prompt', nor anything like it; "
        "say in the prompt what must not be there."
    )


def test_an_unknown_parameter_names_the_near_one_and_all_of_them() -> None:
    text = load_endpoint(NANO).lacks("resolutoin")

    assert text.startswith(f"{NANO} has no 'resolutoin'. Did you mean 'resolution'? It has prompt,")


def test_spelling_out_a_default_changes_nothing() -> None:
    endpoint = load_endpoint(NANO)
    spelt = {name: endpoint.default(name) for name in ("resolution", "num_images", "sync_mode")}

    kept = endpoint.without_defaults({"prompt": "a fox", **spelt, "aspect_ratio": "1:1"})

    assert kept == {"prompt": "a fox", "aspect_ratio": "1:1"}


@pytest.mark.parametrize("name", ["prompt", "seed", "thinking_level", "nonsense"])
def test_what_has_no_default_raises(name: str) -> None:
    with pytest.raises(KeyError):
        load_endpoint(NANO).default(name)


@pytest.mark.parametrize(
    ("input", "usd"),
    [
        ({}, "0.08"),
        ({"resolution": "0.5K"}, "0.06"),
        ({"resolution": "2K"}, "0.12"),
        ({"resolution": "4K", "num_images": 3}, "0.48"),
        ({"enable_web_search": True}, "0.095"),
        ({"enable_web_search": False, "thinking_level": "minimal"}, "0.08"),
        ({"thinking_level": "high", "enable_web_search": True, "num_images": 2}, "0.194"),
    ],
)
def test_a_price_is_that_of_all_images_with_their_surcharges(
    input: dict[str, Json], usd: str
) -> None:
    assert load_endpoint(NANO).price_usd(input) == Decimal(usd)


def test_prices_can_be_listed_and_have_a_date() -> None:
    endpoint = load_endpoint(NANO)

    assert endpoint.prices_of == "2026-11-20"
    assert [(name, str(usd)) for name, usd in endpoint.price_lines()] == [
        ("0.5K", "0.06"),
        ("1K", "0.08"),
        ("2K", "0.12"),
        ("4K", "0.16"),
        ("web search", "0.015"),
        ("thinking high", "0.002"),
    ]
    assert endpoint.price_lines({"resolution": "2K", "thinking_level": "high"}) == (
        ("2K", Decimal("0.12")),
        ("thinking high", Decimal("0.002")),
    )


def test_billed_units_have_a_price() -> None:
    assert load_endpoint(NANO).units_price_usd(Decimal("1.5")) == Decimal("0.12")
    assert load_endpoint(NANO).units_price_usd(Decimal(0)) == 0


def test_an_endpoint_without_a_description_passes_everything_unchecked() -> None:
    endpoint = load_endpoint("fal-ai/flux/dev")

    assert not endpoint.described
    assert not endpoint.sets_seed
    assert endpoint.prices_of is None
    assert endpoint.price_usd({"prompt": "a"}) is None
    assert endpoint.units_price_usd(Decimal(1)) is None
    assert endpoint.price_lines() == ()
    assert endpoint.settle("image_size", {"width": 1}) == {"width": 1}
    assert endpoint.without_defaults({"resolution": "1K"}) == {"resolution": "1K"}
    assert endpoint.images({"num_images": 3}) == 3
    assert endpoint.images({"num_images": "many"}) == 1
    assert endpoint.takes("image_size") == "anything"


def test_without_a_description_the_names_that_siblings_have_are_parameters() -> None:
    endpoint = load_endpoint("fal-ai/flux/dev")

    assert endpoint.knows("prompt")
    assert endpoint.knows("aspect_ratio")
    assert not endpoint.knows("style")


def test_an_endpoint_is_loaded_once() -> None:
    assert load_endpoint(NANO) is load_endpoint(NANO)


def test_a_batch_can_keep_the_defaults_that_it_began_with() -> None:
    assert load_endpoint(NANO, version=1).default("resolution") == "1K"
    with pytest.raises(ValueError, match="no defaults of version 99"):
        load_endpoint(NANO, version=99)


def test_a_description_is_plain_json() -> None:
    assert json.loads(json.dumps(_describe("nano-banana-2"))) == _describe("nano-banana-2")
