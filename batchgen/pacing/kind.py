"""Which requests take about the same time."""

from __future__ import annotations

from collections.abc import Hashable

from batchgen.job import Job

# Parameters that the time depends on, as far as endpoints have them.
SLOW_KEYS = (
    "resolution",
    "image_size",
    "quality",
    "thinking_level",
    "enable_web_search",
    "num_inference_steps",
)


def kind_of(job: Job) -> Hashable:
    """Return what requests have in common that take about the same time."""
    given = job.input
    return (job.endpoint, job.images, *(str(given[key]) for key in SLOW_KEYS if key in given))
