"""The keys of a block → the block, checked."""

from __future__ import annotations

from dataclasses import dataclass, field

from batchgen.manifest.axes import Axis
from batchgen.manifest.axis_values import load_axes
from batchgen.manifest.block import Block
from batchgen.manifest.block_parts import BlockParts
from batchgen.manifest.key_values import (
    read_draw,
    read_endpoint,
    read_parameters,
    read_repeat,
    read_variables,
)
from batchgen.manifest.reading import Reading
from batchgen.manifest.row_loading import load_rows
from batchgen.manifest.rows import Rows
from batchgen.manifest.sections import Section
from batchgen.manifest.seeds import load_seeding
from batchgen.manifest.values import Intake


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLoader:
    """Makes blocks of the sections of one manifest.

    Rows and axes that several sweeps share are read once.

    Attributes:
        reading: The manifest.
        table: The rows of a CSV manifest, or None.
    """

    reading: Reading
    table: Rows | None = None
    _rows: dict[object, Rows | None] = field(default_factory=dict)
    _axes: dict[object, list[Axis]] = field(default_factory=dict)

    def load(self, section: Section) -> Block | None:
        """Return the block of a section, or None if it lacks a part that cannot be read."""
        found = self._find(section)
        found.check()
        maker = found.maker()
        draw = read_draw(section, reading=self.reading)
        if not found.is_whole:
            found.check_names_alone(maker)
            return None
        main = found.main()
        included = found.included(main)
        if not main.grid.count and included is None:
            at = section.keys["exclude"].spot
            self.reading.mistake("exclude removes every combination.", at=at)
        return Block(
            name=section.name,
            maker=maker,
            rows=found.rows,
            axes=tuple(found.all_axes),
            main=main,
            included=included,
            draw=found.draw_rule(draw, main),
        )

    def _find(self, section: Section) -> BlockParts:
        reading = self.reading
        intake = Intake(
            endpoint=read_endpoint(section, reading=reading),
            own=frozenset(section.parameters),
            has_prompt="prompt" in section.keys,
        )
        parameters = read_parameters(section, intake=intake, reading=reading)
        repeat = read_repeat(section, reading=reading)
        seeding = load_seeding(
            section.keys.get("seed"),
            default=parameters.pop("seed", None),
            repeat=repeat,
            intake=intake,
            reading=reading,
        )
        return BlockParts(
            section=section,
            intake=intake,
            reading=reading,
            parameters=parameters,
            seeding=seeding,
            rows=self._load_rows(section, intake),
            axes=self._load_axes(section, intake),
            constants=read_variables(section, reading=reading),
            repeat=repeat,
        )

    def _load_rows(self, section: Section, intake: Intake) -> Rows | None:
        part = section.keys.get("rows")
        if part is None:
            return self.table
        known = (part.spot, intake.endpoint.id, intake.has_prompt, intake.own)
        if known not in self._rows:
            self._rows[known] = load_rows(part, reading=self.reading, intake=intake)
        return self._rows[known]

    def _load_axes(self, section: Section, intake: Intake) -> list[Axis]:
        part = section.keys.get("grid")
        if part is None:
            return []
        known = (part.spot, intake.endpoint.id, intake.has_prompt, intake.own)
        if known not in self._axes:
            self._axes[known] = load_axes(part, reading=self.reading, intake=intake)
        return self._axes[known]
