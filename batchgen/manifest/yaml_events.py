"""The events of a YAML text, and where they are.

The C parser is ten times as fast as the one in Python and gives the same events with the same
marks; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import yaml

from batchgen.manifest.yaml_source import Place

_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def events_of(text: str) -> Iterator[yaml.Event]:
    """Yield the events of a text.

    Raises:
        yaml.YAMLError: A syntax error, after the events before it.
    """
    # The loader's resolvers and constructors are not used: events come before them.
    return yaml.parse(text, Loader=_LOADER)


def start_of(event: yaml.Event) -> int:
    """Return where an event begins, as an index into the text."""
    return cast("yaml.Mark", event.start_mark).index


def end_of(event: yaml.Event) -> int:
    """Return where an event ends, as an index into the text."""
    return cast("yaml.Mark", event.end_mark).index


def place_of(event: yaml.Event) -> Place:
    """Return line and column of an event's begin."""
    mark = cast("yaml.Mark", event.start_mark)
    return Place(mark.line + 1, mark.column + 1)


def is_plain(event: yaml.Event) -> bool:
    """Return whether an event is a scalar without quotes, `|` or `>`."""
    return isinstance(event, yaml.ScalarEvent) and not event.style
