"""Render a block's templates before anything is sent, with every value that there is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice

from batchgen.errors import Mistake
from batchgen.manifest.block import Block
from batchgen.manifest.holes import value_at
from batchgen.manifest.job_maker import JobMaker
from batchgen.manifest.reading import Part, Reading, Spot
from batchgen.manifest.region import Values
from batchgen.manifest.tables import Row
from batchgen.template import TemplateError, UndefinedVariable

# So many values of an axis, and so many rows, are tried; the others at their first.
MOST = 1_000
MOST_NAMES = 20

_IN_FILENAMES = frozenset({"seed", "job_id"})

# A file name is rendered with a job's id, which does not exist yet.
_SOME_ID = "k" * 16


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """Values to try, and what is special about them.

    Attributes:
        values: Of the row, of the axes.
        about: What differs from the first of everything: `value 3 of axis 'animal'`.
        spot: Where that stands in the manifest.
        row: The row, if it is a row that differs.
    """

    values: Values
    about: str = ""
    spot: Spot = ()
    row: Row | None = None


def check_templates(block: Block, *, keys: Mapping[str, Part], reading: Reading) -> None:
    """Note what cannot be rendered.

    Each value of every axis, each row and each included entry is tried once, up to 1,000 of
    each, with all else at its first.

    Args:
        block: The block.
        keys: Its keys and their places.
        reading: The manifest.
    """
    check = _Check(block=block, keys=keys, reading=reading)
    for case in check.cases():
        check.try_out(case)


def check_variables(
    maker: JobMaker, *, known: Collection[str], keys: Mapping[str, Part], reading: Reading
) -> None:
    """Note variables of templates that nothing defines, without rendering anything.

    Args:
        maker: The block's templates.
        known: What there is.
        keys: The block's keys and their places.
        reading: The manifest.
    """
    late = {"prompt": {"repeat", "row"}, "filename": {"repeat", "row", "seed", "job_id"}}
    for key, template in (("prompt", maker.prompt), ("filename", maker.filename)):
        names = template.variables if template else frozenset()
        for name in sorted(names.difference(known, late[key])):
            near = get_close_matches(name, known, n=1)
            guess = f" Did you mean '{near[0]}'?" if near else ""
            text = f"{key}: there is no variable '{name}'.{guess}"
            reading.mistake(text, at=keys[key].spot)


@dataclass(slots=True, kw_only=True)
class _Check:
    """Tries out a block's templates."""

    block: Block
    keys: Mapping[str, Part]
    reading: Reading
    _told: set[str] = field(default_factory=set)

    def cases(self) -> Iterator[_Case]:
        """Yield what to try: the first of everything, then all else one by one."""
        rows, axes = self.block.rows, self.block.axes
        row = tuple(rows.value(first) for first in islice(rows, 1)) if rows else ()
        firsts = tuple(axis.value(0) for axis in axes)
        yield _Case(values=(*row, *firsts))
        for number, axis in enumerate(axes):
            for place in range(1, min(len(axis), MOST)):
                values = (*firsts[:number], axis.value(place), *firsts[number + 1 :])
                about = f"value {place + 1} of axis '{axis.name}'"
                yield _Case(values=(*row, *values), about=about, spot=(*axis.spot, place))
        if rows:
            for line in islice(rows, 1, MOST):
                yield _Case(values=(rows.value(line), *firsts), row=line)
        if self.block.included:
            [entries] = self.block.included.axes
            for place in range(min(len(entries), MOST)):
                about = f"entry {place + 1} of include"
                values = (*row, entries.value(place))
                yield _Case(values=values, about=about, spot=("include", place))

    def try_out(self, case: _Case) -> None:
        """Render prompt and file name, and look up the key, with some values."""
        maker = self.block.maker
        scope = maker.scope(case.values, 0)
        try:
            maker.render(case.values, scope)
        except TemplateError as error:
            spot = self.keys["prompt"].spot if "prompt" in self.keys else ()
            self._note("prompt", error, case, (*spot, *error.path))
        for path in maker.key:
            if value_at(path, scope) is None:
                missing = TemplateError(f"there is no '{'.'.join(path)}'.")
                self._note("key", missing, case, self.keys["key"].spot)
        try:
            maker.render_filename(scope, 0 if maker.sends_seed(case.values) else None, _SOME_ID)
        except TemplateError as error:
            self._note("filename", error, case, self.keys["filename"].spot)

    def _note(self, what: str, error: TemplateError, case: _Case, spot: Spot) -> None:
        text = f"{what}: {error}"
        if text in self._told:
            return
        is_first = not case.about and case.row is None
        if is_first:
            self._told.add(text)
        if isinstance(error, UndefinedVariable) and "." not in error.name:
            if what == "prompt" and error.name in _IN_FILENAMES:
                text += f" '{error.name}' is known in file names only."
            text += f"\n  There are: {self._there(in_filename=what == 'filename')}"
        in_table = self.block.rows if self.block.rows and self.block.rows.is_manifest else None
        row = case.row or (next(iter(in_table)) if in_table else None)
        if row is not None and self.block.rows:
            self.reading.note([Mistake(file=self.block.rows.name, line=row.line, text=text)])
        elif case.about:
            self.reading.mistake(f"{text} ({case.about})", at=case.spot)
        else:
            self.reading.mistake(text, at=spot)

    def _there(self, *, in_filename: bool) -> str:
        """Return the variables that there are, and where they come from."""
        rows, axes = self.block.rows, self.block.axes
        names = rows.names if rows else ()
        columns = [name if name.isidentifier() else f'row["{name}"]' for name in names]
        groups = [
            (list(dict.fromkeys(name for axis in axes for name in axis.names)), "axes"),
            (columns, rows.name if rows else ""),
            (list(self.block.maker.constants), "variables"),
            (["repeat", "seed", "job_id"] if in_filename else ["repeat"], ""),
        ]
        shown = (
            f"{_listed(names)} ({source})" if source else _listed(names)
            for names, source in groups
            if names
        )
        return " · ".join(shown)


def _listed(names: Sequence[str]) -> str:
    first = ", ".join(names[:MOST_NAMES])
    return f"{first} and {len(names) - MOST_NAMES} more" if names[MOST_NAMES:] else first
