"""The stand-ins that the simulator draws."""

from __future__ import annotations

import io
import time

import pytest
from PIL import Image

from batchgen.simulator.answer import Json
from batchgen.simulator.lettering import Type
from batchgen.simulator.picture import FORMATS, Picture, draw_picture
from batchgen.simulator.size import Size, size_of

PROMPTS = {
    "short": "a fox",
    "long": "A wide photograph of a lighthouse keeper on the rocks, holding a lantern. " * 60,
    "one word": "W" * 3000,
    "json": '{"scene": "a fox", "style": ["woodcut"]}',
    "chinese": "狐狸在白桦林里" * 300,
    "control characters": "a\x00\x1b[2J fox\n\n\tin\r\na wood\ud800",
    "empty": "",
}


def make_picture(prompt: str = "a fox", *, index: int = 0, seed: int = 7, **given: Json) -> Picture:
    sent = {"prompt": prompt, **given}
    return Picture(
        input=sent,
        seed=seed,
        index=index,
        of=1,
        size=size_of(sent),
        format=str(given.get("output_format", "png")),
    )


def opened(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file))
    image.load()
    return image


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("ratio", ["1:1", "21:9", "1:8"])
def test_the_file_is_of_the_format_and_the_size_that_were_asked_for(
    format: str, ratio: str
) -> None:
    image = opened(draw_picture(make_picture(output_format=format, aspect_ratio=ratio)))

    expected = size_of({"aspect_ratio": ratio})
    assert image.format == format.upper()
    assert image.size == (expected.width, expected.height)


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_any_prompt_can_be_drawn(prompt: str) -> None:
    assert opened(draw_picture(make_picture(prompt, resolution="0.5K"))).width == 512


@pytest.mark.parametrize("side", [1, 2, 64, 96, 97])
def test_small_pictures_can_be_drawn(side: int) -> None:
    picture = Picture(
        input={"prompt": "a fox"},
        seed=1,
        index=0,
        of=2,
        size=Size(width=side, height=side),
        format="png",
    )

    assert opened(draw_picture(picture)).size == (side, side)


def test_the_same_request_gives_the_same_bytes() -> None:
    assert draw_picture(make_picture()) == draw_picture(make_picture())


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(make_picture("an owl"), id="prompt"),
        pytest.param(make_picture(seed=8), id="seed"),
        pytest.param(make_picture(index=1), id="index"),
        pytest.param(make_picture(safety_tolerance="6"), id="a parameter"),
    ],
)
def test_another_request_gives_another_picture(other: Picture) -> None:
    assert draw_picture(other) != draw_picture(make_picture())


def test_the_prompt_can_be_seen() -> None:
    """Words are the brightest thing on a picture; a longer prompt has more of them."""

    def bright(prompt: str) -> int:
        grey = opened(draw_picture(make_picture(prompt))).convert("L")
        return sum(grey.histogram()[230:])

    assert 0 < bright("") < bright("a fox") < bright("a fox in a birch wood, at dusk")


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
@pytest.mark.parametrize("width", [40, 300])
def test_no_line_is_wider_than_the_room_for_it(prompt: str, width: int) -> None:
    letters = Type(20)

    lines = letters.wrap(prompt[:500], width=width)

    assert all(letters.width(line) <= width or len(line) == 1 for line in lines)
    shown = "".join(c for c in prompt[:500] if c.isprintable() and c != " ")
    assert "".join("".join(lines).split()) == shown


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_drawing_at_1k_takes_less_than_50_ms_of_cpu(prompt: str) -> None:
    def seconds() -> float:
        began = time.process_time()
        draw_picture(make_picture(prompt, resolution="1K"))
        return time.process_time() - began

    assert min(seconds() for _ in range(5)) < 0.05
