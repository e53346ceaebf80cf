"""What was counted: the figures that tests and benchmarks ask for."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from batchgen.simulator.answer import Json, canonical
from batchgen.simulator.fault import Kind
from batchgen.simulator.request import Request


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts of one service, since its folder began for what was accepted, else since its start.

    Attributes:
        accepted: How many submissions were accepted.
        accepted_inputs: How often each input was, by its canonical JSON (`canonical`).
        calls: How many calls came, by kind.
        answers: How many answers went out, by kind and status code; 0 stands for none at all.
        image_fetches: How many images were asked for.
        seen_authorization_on_images: How many of these calls bore a key. It must stay 0.
        landings: How many calls followed a redirect off the API.
        seen_authorization_on_landings: How many of these bore a key. It must stay 0.
    """

    accepted: int = 0
    accepted_inputs: Counter[str] = field(default_factory=Counter)
    calls: Counter[Kind] = field(default_factory=Counter)
    answers: Counter[tuple[Kind, int]] = field(default_factory=Counter)
    image_fetches: int = 0
    seen_authorization_on_images: int = 0
    landings: int = 0
    seen_authorization_on_landings: int = 0

    def accept(self, request: Request) -> None:
        """Count an accepted request."""
        self.accepted += 1
        self.accepted_inputs[canonical(request.input)] += 1

    def as_json(self) -> dict[str, Json]:
        """Return all of it."""
        return {
            "accepted": self.accepted,
            "accepted_inputs": dict(self.accepted_inputs),
            "calls": {str(kind): count for kind, count in self.calls.items()},
            "answers": {
                f"{kind} {status}": count for (kind, status), count in self.answers.items()
            },
            "image_fetches": self.image_fetches,
            "seen_authorization_on_images": self.seen_authorization_on_images,
            "landings": self.landings,
            "seen_authorization_on_landings": self.seen_authorization_on_landings,
        }
