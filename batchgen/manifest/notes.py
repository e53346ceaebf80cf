"""What is not wrong with a block and probably not meant: warnings, each with what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from itertools import islice
from typing import TypeAlias

from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.block import Block
from batchgen.manifest.folders import outgrown_folder, readable
from batchgen.manifest.holes import printed
from batchgen.manifest.reading import Part, Reading
from batchgen.template import TemplateError, compile_prompt

# Where a warning belongs, and what it says.
Note: TypeAlias = tuple[Part | None, str]

# Rows of a CSV manifest whose templates are looked at; of a longer one nothing is said.
_MOST_ROWS = 1_000


def note_block(
    block: Block, *, variables: Mapping[str, Part], keys: Mapping[str, Part], reading: Reading
) -> None:
    """Warn of what is probably not meant in a block.

    Args:
        block: The block.
        variables: Its constants and their places.
        keys: Its keys and their places.
        reading: The manifest.
    """
    notes = _Notes(block=block, variables=variables, keys=keys)
    for at, text in notes.all():
        where = reading.where(at.spot) if at else reading.file
        says_where = not where or text.startswith(f"{where}:")
        reading.warn(text if says_where else f"{where}  {text}")


@dataclass(frozen=True, kw_only=True)
class _Notes:
    block: Block
    variables: Mapping[str, Part]
    keys: Mapping[str, Part]

    def all(self) -> Iterator[Note]:
        """Yield each warning and where it belongs."""
        yield from self._images()
        yield from self._sync_mode()
        for axis in self.block.axes:
            at = Part(value=None, spot=axis.spot)
            yield from ((at, text) for text in self._axis(axis))
        yield from self._columns()
        yield from self._constants()
        yield from self._own_seeds()
        if folder := outgrown_folder(self.block, images=self._most_images):
            yield self.keys.get("filename"), folder

    @property
    def _most_images(self) -> int:
        found = (value for value in self._set_to("num_images") if isinstance(value, int))
        return max(found, default=1)

    def _images(self) -> Iterator[Note]:
        most = self._most_images
        if most > 1 and (self.block.maker.seed.of(0) is not None or any(self._seeds())):
            text = (
                f"num_images {most} with one seed has been seen to give identical images. "
                f"Write repeat: {most} in its place, and each take has a seed of its own; "
                "or seed: none."
            )
            yield self.keys.get("parameters"), text

    def _sync_mode(self) -> Iterator[Note]:
        if any(value is True for value in self._set_to("sync_mode")):
            text = (
                "sync_mode: the service does not keep such a result, so that one whose answer "
                "is lost is lost, and paid. Leave it out; images are fetched either way."
            )
            yield self.keys.get("parameters"), text

    def _axis(self, axis: Axis) -> Iterator[str]:
        if len(axis) > 1 and not axis.sets and self._used.isdisjoint(axis.names):
            write = f"Write {{{{ {readable(axis)} }}}} in the prompt"
            if not axis.name.isidentifier():
                write = "Give it a name that a template can read, of letters, digits and _"
            yield (
                f"axis '{axis.name}' changes nothing: the prompt does not read it and it is no "
                f"parameter, so its {len(axis):,} values make the same job. {write}, or name it "
                f"in key:.{self._near(axis.name)}{self._unsent(axis.name)}"
            )
        if "prompt" in axis.sets and any("{{" in (printed(value) or "") for value in axis.values):
            yield (
                f"axis '{axis.name}': {{{{ in a prompt is sent as it is, because values are data. "
                "Write the template in prompt: and what varies in an axis."
            )
        seen: set[str | None] = set()
        for value in axis.values:
            shown = printed(value)
            if shown in seen:
                yield f"axis '{axis.name}' has '{shown}' twice: the jobs of the second are folded."
                return
            seen.add(shown)

    def _columns(self) -> Iterator[Note]:
        rows = self.block.rows
        if rows is None or "row" in self._used or (rows.is_manifest and len(rows) > _MOST_ROWS):
            return
        setting = {column.path[0] for column in rows.parameters}
        used = self._used | self._used_to_choose | setting
        idle = [name for name in rows.names if name not in used]
        if idle:
            verb, they = ("changes", "it stands") if len(idle) == 1 else ("change", "they stand")
            guesses = "".join(self._near(name) for name in idle)
            yield (
                self.keys.get("rows"),
                (
                    f"{rows.name}: {', '.join(idle)} {verb} nothing that is sent; {they} in the "
                    f"ledger only.{guesses}"
                ),
            )

    def _constants(self) -> Iterator[Note]:
        for name, part in self.variables.items():
            if self.block.maker.endpoint.knows(name) and name not in self._used:
                text = (
                    f"variables: {name} is not sent; constants are for templates. To send it, "
                    "write it under parameters."
                )
                yield part, text

    def _own_seeds(self) -> Iterator[Note]:
        repeat = self.block.main.repeat
        if repeat > 1 and any(self._seeds()):
            text = (
                f"repeat {repeat}: what has a seed of its own is the same job in every take, and "
                "all but one are folded."
            )
            yield self.keys.get("repeat"), text

    def _seeds(self) -> Iterator[bool]:
        """Yield true for every seed that an axis, a row or an included entry sets."""
        return (True for _ in self._set_to("seed"))

    def _set_to(self, name: str) -> Iterator[Json]:
        """Yield every value that something sets a parameter to."""
        block = self.block
        if name in block.maker.parameters:
            yield block.maker.parameters[name]
        for axis in block.axes:
            yield from (settled[name] for settled in axis.settled if name in settled)
        for column in block.rows.parameters if block.rows else ():
            if column.name == name:
                yield from column.settled
        for entries in block.included.axes if block.included else ():
            for number in range(len(entries)):
                value = entries.value(number)
                set_by = {**value.parameters, "seed": value.seed}
                if set_by.get(name) is not None:
                    yield set_by[name]

    @cached_property
    def _used(self) -> frozenset[str]:
        """The variables that change what is sent, or the identity."""
        maker = self.block.maker
        used = {path[0] for path in maker.key}
        if maker.prompt is not None:
            used |= maker.prompt.variables
        rows = self.block.rows
        for row in islice(rows, _MOST_ROWS) if rows and rows.is_manifest else ():
            try:
                used |= compile_prompt(row.cells["prompt"]).variables
            except TemplateError:
                continue
        return frozenset(used)

    @property
    def _used_to_choose(self) -> frozenset[str]:
        """The names in exclusions and in file names."""
        part, filename = self.keys.get("exclude"), self.block.maker.filename
        entries = part.value if part and isinstance(part.value, list) else []
        excluded = {name for entry in entries if isinstance(entry, dict) for name in entry}
        return frozenset(excluded | (filename.variables if filename else frozenset()))

    def _unsent(self, name: str) -> str:
        """Return how to send a name to an endpoint of which nothing is known."""
        if self.block.maker.endpoint.described:
            return ""
        return f" To send it, give it a default: parameters: {{{name}: …}}."

    def _near(self, name: str) -> str:
        """Return a guess at the parameter that a name was meant to be."""
        endpoint = self.block.maker.endpoint
        near = get_close_matches(name, endpoint.parameters, n=1, cutoff=0.8)
        if near:
            return f" Did you mean the parameter {near[0]} by '{name}'?"
        return f" {endpoint.lacks(name)}" if "negative" in name and endpoint.described else ""
