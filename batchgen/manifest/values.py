"""What one value of an axis, or one row, adds to a job; and which names set a parameter."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchgen.endpoint import Endpoint
from batchgen.job import Json
from batchgen.scalar import print_scalar

# Most jobs differ in these.
_APART = frozenset({"prompt", "seed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """What one value of an axis, or one row, adds to a job.

    Attributes:
        scope: What templates see of it.
        variables: The same, flat (`animal.name`), without what has a parameter's column.
        parameters: The parameters that it sets besides prompt and seed, their types settled.
        form: Text that is the same for values that set the same `parameters`.
        prompt: The prompt that it sets, or None.
        seed: The seed that it sets, or None.
        template: A prompt of a CSV manifest, which is a template; or None.
        line: Where it stands, as `products.csv:17`, or `""`.
        is_row: Whether it is a row.
    """

    scope: Mapping[str, Json]
    variables: Mapping[str, Json]
    parameters: Mapping[str, Json]
    form: str
    prompt: str | None = None
    seed: int | None = None
    template: Json = None
    line: str = ""
    is_row: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Which names set a parameter of a block's jobs.

    Attributes:
        endpoint: Where the jobs go.
        own: Names under the block's `parameters:`; an endpoint without a description takes
            these besides those that it is known to take.
        has_prompt: Whether the block has a `prompt:`; then a column, a key or an axis `prompt`
            is only a variable.
    """

    endpoint: Endpoint
    own: frozenset[str] = frozenset()
    has_prompt: bool = False

    def knows(self, name: str) -> bool:
        """Return whether a name is that of a parameter."""
        return self.endpoint.knows(name) or (not self.endpoint.described and name in self.own)

    def takes(self, name: str) -> bool:
        """Return whether an axis, a column or a mapping's key of that name sets a parameter."""
        return self.knows(name) and not (name == "prompt" and self.has_prompt)


def make_value(
    named: Mapping[str, Json],
    *,
    settled: Mapping[str, Json],
    intake: Intake,
    row: Mapping[str, Json] | None = None,
    template: Json = None,
    line: str = "",
) -> Value:
    """Return what named values add to a job.

    A key of a mapping that is named like a parameter is a variable of its own too.

    Args:
        named: Variable → value.
        settled: The parameters that they set.
        intake: Which names set a parameter.
        row: What `row["Product Name"]` reaches, if they are a row.
        template: The prompt of a row of a CSV manifest.
        line: Where they stand.
    """
    scope = dict(named)
    variables: dict[str, Json] = {}
    for name, value in named.items():
        if isinstance(value, dict):
            scope.update((key, below) for key, below in value.items() if intake.knows(key))
            if not intake.takes(name):
                variables.update(flat(name, value, but=intake))
        elif not intake.takes(name):
            variables[name] = value
    if row is not None:
        scope["row"] = dict(row)
    parameters = {name: value for name, value in settled.items() if name not in _APART}
    prompt, seed = settled.get("prompt"), settled.get("seed")
    return Value(
        scope=scope,
        variables=variables,
        parameters=parameters,
        form=repr(parameters) if parameters else "",
        prompt=None if prompt is None else print_scalar(prompt),
        seed=seed if isinstance(seed, int) else None,
        template=template,
        line=line,
        is_row=row is not None,
    )


def flat(name: str, value: Json, *, but: Intake | None = None) -> Iterator[tuple[str, Json]]:
    """Yield the flat variables of a named value: `animal.name`, `animal.home`.

    Args:
        name: The variable.
        value: Its value; lists stay as they are.
        but: Leave out the keys of a mapping that set a parameter: it has a column of its own.
    """
    if not isinstance(value, dict):
        yield name, value
        return
    for key, below in value.items():
        if but is None or not but.takes(key):
            yield from flat(f"{name}.{key}", below)
