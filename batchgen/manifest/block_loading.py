"""The keys of a block → the block, checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from batchgen.grid import Dimension, Draw, Grid, TooManyWeightsError
from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.axis_values import load_axes
from batchgen.manifest.block import Block, DrawRule
from batchgen.manifest.checks import check_variables
from batchgen.manifest.exclusion import Excluder
from batchgen.manifest.holes import Holes
from batchgen.manifest.inclusion import load_include
from batchgen.manifest.job_maker import JobMaker
from batchgen.manifest.key_values import (
    DrawRequest,
    read_draw,
    read_endpoint,
    read_filename,
    read_key,
    read_parameters,
    read_prompt,
    read_repeat,
    read_variables,
)
from batchgen.manifest.names import check_names
from batchgen.manifest.reading import Reading
from batchgen.manifest.region import Entries, Region
from batchgen.manifest.row_loading import load_rows
from batchgen.manifest.rows import PROMPT, Rows
from batchgen.manifest.sections import Section
from batchgen.manifest.seeds import load_seeding
from batchgen.manifest.values import Intake, Value, flat


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
        found = _Found(
            section=section,
            intake=intake,
            reading=reading,
            rows=self._load_rows(section, intake),
            axes=self._load_axes(section, intake),
            seeds=seeding.axis,
            constants=read_variables(section, reading=reading),
            repeat=repeat,
        )
        found.check(parameters)
        draw = read_draw(section, reading=reading)
        maker = JobMaker(
            endpoint=intake.endpoint,
            constants=found.constants,
            variables=dict(pair for item in found.constants.items() for pair in flat(*item)),
            parameters=parameters,
            prompt=read_prompt(section, reading=reading),
            filename=read_filename(section, reading=reading),
            key=read_key(section, names=found.names, reading=reading),
            seed=seeding.rule,
        )
        if not found.is_whole:
            found.check_names_alone(maker)
            return None
        main = found.main()
        included = found.included(main)
        if not main.grid.count and included is None:
            at = section.keys["exclude"].spot
            reading.mistake("exclude removes every combination.", at=at)
        return Block(
            name=section.name,
            maker=maker,
            rows=found.rows,
            axes=tuple(found.all_axes),
            main=main,
            included=included,
            draw=found.draw_rule(draw, main),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What a section has, on the way to its block."""

    section: Section
    intake: Intake
    reading: Reading
    rows: Rows | None
    axes: Sequence[Axis]
    seeds: Axis | None
    constants: dict[str, Json]
    repeat: int

    @property
    def all_axes(self) -> list[Axis]:
        """The axes of the grid, and a list of seeds behind them."""
        return [*self.axes, self.seeds] if self.seeds else [*self.axes]

    @property
    def names(self) -> list[str]:
        """The variables that there are in every job."""
        columns = self.rows.names if self.rows else ()
        return [*(axis.name for axis in self.all_axes), *columns, *self.constants]

    @property
    def is_whole(self) -> bool:
        """Whether rows and axes could be read, so that nothing else is wrong for their sake."""
        grid = self.section.keys.get("grid")
        wanted = len(grid.value) if grid and isinstance(grid.value, dict) else 0
        return len(self.axes) == wanted and ("rows" not in self.section.keys or bool(self.rows))

    def check(self, parameters: dict[str, Json]) -> None:
        """Note names that are taken twice, and parameters that nothing sets."""
        check_names(
            rows=self.rows,
            axes=self.all_axes,
            variables=self.section.variables,
            reading=self.reading,
        )
        endpoint = self.intake.endpoint
        in_rows = {column.name for column in self.rows.parameters} if self.rows else set()
        is_set = {*parameters, *in_rows, *(name for axis in self.all_axes for name in axis.sets)}
        if not endpoint.described or not self.is_whole:
            return
        for name in endpoint.required:
            if name != PROMPT and name not in is_set:
                text = f"{endpoint.id} needs {name}: write parameters: {{{name}: …}}, or vary it."
                self.reading.mistake(text, at=("endpoint",))
        has_table = bool(self.rows and self.rows.is_manifest and PROMPT in self.rows.columns)
        if not (has_table or self.intake.has_prompt or PROMPT in is_set):
            self.reading.mistake(self._no_prompt())

    def check_names_alone(self, maker: JobMaker) -> None:
        """Note variables that nothing defines, where not all values can be tried out."""
        if "rows" in self.section.keys and self.rows is None:
            return
        grid = self.section.keys.get("grid")
        axes = grid.value if grid and isinstance(grid.value, dict) else {}
        inner = (name for axis in self.axes for name in axis.names)
        check_variables(
            maker, known={*self.names, *axes, *inner}, keys=self.section.keys, reading=self.reading
        )

    def main(self) -> Region:
        """Return rows × axes, without what is excluded."""
        excluder = Excluder(
            rows=self.rows, axes=self.all_axes, constants=self.constants, reading=self.reading
        )
        part = self.section.keys.get("exclude")
        if part:
            excluder.read(part)
        dimensions = excluder.holes.dimensions()
        excluder.warn_of_idle(dimensions)
        grid = Grid(dimensions, exclusions=excluder.holes.count)
        return Region(rows=self.rows, axes=self.all_axes, grid=grid, repeat=self.repeat)

    def included(self, main: Region) -> Region | None:
        """Return rows × included entries, which no exclusion touches."""
        part = self.section.keys.get("include")
        if part is None:
            return None
        entries = load_include(
            part,
            axes=self.axes,
            columns=self.rows.names if self.rows else (),
            taken=self.rows.sets if self.rows else (),
            intake=self.intake,
            reading=self.reading,
        )
        entries = [one for entry in entries for one in self._with_seeds(entry)]
        if not entries:
            return None
        uneven = Holes(rows=self.rows, axes=[])
        dimensions = [*uneven.dimensions(), Dimension.of_size(len(entries))]
        grid = Grid(dimensions, exclusions=uneven.count)
        return replace(main, axes=[Entries(entries)], grid=grid)

    def draw_rule(self, draw: DrawRequest | None, main: Region) -> DrawRule | None:
        """Return how many combinations are drawn, and how."""
        before = len(main.grid.dimensions) - len(self.all_axes)
        weighted = [(n, axis) for n, axis in enumerate(self.all_axes) if axis.weights]
        if draw is None:
            for _, axis in weighted if "draw" not in self.section.keys else ():
                text = f"axis '{axis.name}' has weights, which count where jobs are drawn: write"
                self.reading.mistake(
                    f"{text} draw: {{jobs: 1000, seed: 1}}, or a list.", at=axis.spot
                )
            return None
        rule = DrawRule(
            combinations=max(1, draw.jobs // self.repeat),
            seed=draw.seed,
            weights={before + number: axis.weights for number, axis in weighted},
        )
        try:
            Draw(main.grid, weights=rule.weights, seed=rule.seed)
        except TooManyWeightsError as error:
            self.reading.mistake(f"draw: {error}. Give values the same weights.", at=draw.part.spot)
        there, drawn = main.grid.count * self.repeat, rule.combinations * self.repeat
        where = self.reading.where(draw.part.spot)
        if draw.jobs > there:
            self.reading.warn(
                f"{where}  draw asks for {draw.jobs:,} jobs and there are {there:,}: all are taken."
            )
        elif drawn != draw.jobs:
            self.reading.warn(
                f"{where}  draw asks for {draw.jobs:,} jobs, which are no whole number of "
                f"combinations of {self.repeat} takes: {drawn:,} are drawn."
            )
        return rule

    def _no_prompt(self) -> str:
        if self.rows and self.rows.is_manifest:
            return f"there is no column 'prompt'. There are {', '.join(self.rows.columns)}."
        names = "{{ " + self.names[0] + " }}" if self.names else "a fox"
        return f'there is no prompt. Write prompt: "A portrait of {names}".'

    def _with_seeds(self, entry: Value) -> list[Value]:
        """Return an entry with each seed of a list of seeds, unless it has one of its own."""
        if self.seeds is None or entry.seed is not None:
            return [entry]
        seeds = [self.seeds.value(number) for number in range(len(self.seeds))]
        return [
            replace(entry, scope={**entry.scope, **seed.scope}, seed=seed.seed) for seed in seeds
        ]
