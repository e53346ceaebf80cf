"""Decide how many requests to keep open, when to send the next one and when to ask again.

Everything here is a plain object that is told the time; nothing sleeps.
"""

from batchgen.pacing.contact import Contact
from batchgen.pacing.kind import kind_of
from batchgen.pacing.polling import PRICE, SLOWEST_POLL_S, Polling, Watch
from batchgen.pacing.spacing import ReadPace, Spacing
from batchgen.pacing.window import Window

__all__ = [
    "PRICE",
    "SLOWEST_POLL_S",
    "Contact",
    "Polling",
    "ReadPace",
    "Spacing",
    "Watch",
    "Window",
    "kind_of",
]
