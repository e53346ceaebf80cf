"""A queue client for tests: with a key that can be recognised, and little patience."""

from __future__ import annotations

from batchgen.queue_client import QueueClient, Timeouts
from batchgen.service import Service

KEY = "test-id:test-secret"
ENDPOINT = "fal-ai/nano-banana-2"
QUICK = Timeouts(connect_s=0.4, answer_s=0.3, total_s=2.0)


def client_of(url: str, *, timeouts: Timeouts = QUICK) -> QueueClient:
    """Return a client for the queue at that URL."""
    return QueueClient(Service(queue_url=url, platform_url="", key=KEY), timeouts=timeouts)
