"""What a block's keys say, on the way to the block: what is drawn from, what makes its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from batchgen.grid import Dimension, Draw, Grid, TooManyWeightsError
from batchgen.job import Json
from batchgen.manifest.axes import Axis
from batchgen.manifest.block import DrawRule
from batchgen.manifest.checks import check_variables
from batchgen.manifest.exclusion import Excluder
from batchgen.manifest.holes import Holes
from batchgen.manifest.inclusion import load_include
from batchgen.manifest.job_maker import JobMaker
from batchgen.manifest.key_values import (
    DrawRequest,
    read_filename,
    read_first_take,
    read_key,
    read_prompt,
)
from batchgen.manifest.names import check_names
from batchgen.manifest.reading import Reading
from batchgen.manifest.region import Entries, Region
from batchgen.manifest.rows import PROMPT, Rows
from batchgen.manifest.sections import Section
from batchgen.manifest.seeds import Seeding
from batchgen.manifest.values import Intake, Value, flat


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockParts:
    """What the keys of a section say.

    Attributes:
        section: The keys.
        intake: Which names set a parameter.
        reading: The manifest.
        parameters: What stands under `parameters:`, settled, without a seed.
        seeding: What `seed:` says.
        rows: The rows, or None.
        axes: The axes of the grid.
        constants: Variables that are the same in all jobs.
        repeat: How many takes there are, where rows do not say.
    """

    section: Section
    intake: Intake
    reading: Reading
    parameters: dict[str, Json]
    seeding: Seeding
    rows: Rows | None
    axes: Sequence[Axis]
    constants: dict[str, Json]
    repeat: int

    @property
    def seeds(self) -> Axis | None:
        """The axis that a list of seeds is, or None."""
        return self.seeding.axis

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

    def maker(self) -> JobMaker:
        """Return what makes the block's jobs."""
        return JobMaker(
            endpoint=self.intake.endpoint,
            constants=self.constants,
            variables=dict(pair for item in self.constants.items() for pair in flat(*item)),
            parameters=self.parameters,
            prompt=read_prompt(self.section, reading=self.reading),
            filename=read_filename(self.section, reading=self.reading),
            key=read_key(self.section, names=self.names, reading=self.reading),
            seed=self.seeding.rule,
            first_take=read_first_take(self.section, reading=self.reading),
        )

    def check(self) -> None:
        """Note names that are taken twice, and parameters that nothing sets."""
        check_names(
            rows=self.rows,
            axes=self.all_axes,
            variables=self.section.variables,
            reading=self.reading,
        )
        endpoint = self.intake.endpoint
        in_rows = {column.name for column in self.rows.parameters} if self.rows else set()
        is_set = {
            *self.parameters,
            *in_rows,
            *(name for axis in self.all_axes for name in axis.sets),
        }
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
