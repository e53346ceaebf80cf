"""What the user asked for: one request, its identity and its seed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from json.encoder import encode_basestring
from typing import NamedTuple, TypeAlias

import rfc8785

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"

# The rule by which an identity is made. It goes up when the rule changes, and a batch keeps
# the one that it began with: a new rule would buy every image again.
IDENTITY_VERSION = 1

AUTO_SEED = "auto"

_HEX_TO_LETTERS = str.maketrans("0123456789abcdef", "klmnopqrstuvwxyz")
_LETTERS_TO_HEX = str.maketrans("klmnopqrstuvwxyz", "0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One request that the user asked for.

    Attributes:
        job_id: 16 letters k to z, made from what is sent and nothing else; see `identify`.
        endpoint: The endpoint's id, as in `fal-ai/nano-banana-2`.
        input: What is sent, its types settled, its seed filled in.
        repeat: The take, counted from 0.
        variables: What the templates saw, flat: `animal.name` → value, in order of appearance.
        file: Where its images go: a path below the batch's folder without extension, which
            begins with `images/`. Several images of one job add `-<image_index>`.
        images: How many images it asks for.
        price_usd: What it costs by the endpoint's table, or None where there is no table.
        problem: Why it cannot be sent (its `error_type` is `template`), or `""`.
        line: Where the manifest or its rows speak of it, as `products.csv:17`, or `""`.
    """

    job_id: str
    endpoint: str
    input: dict[str, Json]
    repeat: int
    variables: dict[str, Json]
    file: str
    images: int = 1
    price_usd: Decimal | None = None
    problem: str = ""
    line: str = ""

    @property
    def seed(self) -> int | None:
        """The seed that is sent, if one is."""
        seed = self.input.get("seed")
        return seed if isinstance(seed, int) and not isinstance(seed, bool) else None

    @property
    def prompt(self) -> str:
        """The prompt that is sent."""
        prompt = self.input.get("prompt")
        return prompt if isinstance(prompt, str) else ""


class Draft(NamedTuple):
    """A job of which so far only what tells it from others has been made.

    Of a million jobs that are done nothing else is ever asked for, and it takes half the time; a
    tuple, because that is made fastest.

    Attributes:
        number: The number behind its job id.
        images: How many images it asks for.
        price_usd: What it costs by the endpoint's table, or None where there is no table.
        make: Makes the job.
    """

    number: int
    images: int
    price_usd: Decimal | None
    make: Callable[[], Job]


def draft_of(job: Job) -> Draft:
    """Return the draft of a job that is made already."""
    return Draft(number_of(job.job_id), job.images, job.price_usd, lambda: job)


def identify(
    *, endpoint: str, input: Mapping[str, Json], repeat: int | None, key: Json = None
) -> str:
    """Return the job id of a request.

    Two requests with the same id are the same job. The letters k to z stand for the hex
    digits, so that no spreadsheet takes an id for a number.

    Args:
        endpoint: The endpoint's id.
        input: What will be sent, its types settled, without the parameters that have their
            default value, and with `"seed": "auto"` in place of an automatic seed.
        repeat: The take, counted from 0; None where the seed is given, because then the seed
            already tells the takes apart.
        key: The values of the manifest's `key` variables; None where it has none.

    Source:
        The canonical form is RFC 8785, https://www.rfc-editor.org/rfc/rfc8785.
    """
    identity: dict[str, Json] = {"endpoint": endpoint, "input": dict(input)}
    if repeat is not None:
        identity["repeat"] = repeat
    if key is not None:
        identity["key"] = key
    digest = hashlib.sha256(rfc8785.dumps(identity)).digest()
    return job_id_of(int.from_bytes(digest[:8]))


class Identifier:
    """The ids of requests that share all but their prompt, seed, take and key.

    They are those that `identify` makes, eight times as fast: what the requests share is
    written in its canonical form once.
    """

    def __init__(self, *, endpoint: str, input: Mapping[str, Json]) -> None:
        """Write down what is shared.

        Args:
            endpoint: The endpoint's id.
            input: As for `identify`, without prompt and seed.
        """
        parts = {name: f"{_canonical(name)}:{_canonical(value)}" for name, value in input.items()}
        names = sorted((*parts, "prompt", "seed"), key=_place_in_canonical_form)
        prompt, seed = names.index("prompt"), names.index("seed")
        self._before_prompt = f'{{"endpoint":{_canonical(endpoint)},"input":{{' + "".join(
            f"{parts[name]}," for name in names[:prompt]
        )
        self._before_seed = "".join(f",{parts[name]}" for name in names[prompt + 1 : seed])
        self._behind = "".join(f",{parts[name]}" for name in names[seed + 1 :]) + "}"

    def number(
        self, prompt: str, *, seed: int | str | None, repeat: int | None, key: Json = None
    ) -> int:
        """Return the number behind the id of a request.

        Args:
            prompt: The prompt that is sent.
            seed: The seed that is sent, `"auto"` for an automatic one, None for none.
            repeat: As for `identify`.
            key: As for `identify`.

        Raises:
            UnicodeEncodeError: The prompt holds half a character and cannot be sent.
        """
        text = f'{self._before_prompt}"prompt":{encode_basestring(prompt)}{self._before_seed}'
        if seed is not None:
            text += f',"seed":{_canonical(seed)}' if type(seed) is str else f',"seed":{seed}'
        text += self._behind
        if key is not None:
            text += f',"key":{_canonical(key)}'
        if repeat is not None:
            text += f',"repeat":{repeat}'
        return int.from_bytes(hashlib.sha256(f"{text}}}".encode()).digest()[:8])


def _canonical(value: Json) -> str:
    return encode_basestring(value) if type(value) is str else rfc8785.dumps(value).decode()


def _place_in_canonical_form(name: str) -> bytes:
    """Return what RFC 8785 sorts keys by, in section 3.2.3: their UTF-16 code units."""
    return name.encode("utf-16-be")


def automatic_seed(job_id: str) -> int:
    """Return the seed of a job whose seed is automatic: 0 ≤ seed < 2³¹, from its identity alone."""
    return int.from_bytes(hashlib.sha256(f"seed:{job_id}".encode()).digest()[:4]) >> 1


def number_of(job_id: str) -> int:
    """Return the 64-bit number behind a job id, which takes a third of the memory of its text."""
    return int(job_id.translate(_LETTERS_TO_HEX), 16)


def job_id_of(number: int) -> str:
    """Return the job id behind a 64-bit number; the reverse of `number_of`."""
    return f"{number:016x}".translate(_HEX_TO_LETTERS)
