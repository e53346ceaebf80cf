"""A queue client for tests, with a key that can be recognised."""

from __future__ import annotations

from batchgen.queue_client import QueueClient, Timeouts
from batchgen.service import Service

KEY = "test-id:test-secret"
ENDPOINT = "fal-ai/nano-banana-2"

# Little patience, where somebody is known to be silent; and enough of it for a busy machine.
QUICK = Timeouts(connect_s=1.0, answer_s=0.3, total_s=2.0)
PATIENT = Timeouts(connect_s=20.0, answer_s=20.0, total_s=40.0)


def client_of(url: str, *, timeouts: Timeouts = PATIENT) -> QueueClient:
    """Return a client for the queue at that URL."""
    return QueueClient(Service(queue_url=url, platform_url="", key=KEY), timeouts=timeouts)
