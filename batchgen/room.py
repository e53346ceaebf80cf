"""How large an image may be before it was seen."""

from __future__ import annotations

from batchgen.job import Job

# Pixels by the size that is asked for, and bytes a pixel by format, as measured on photographs
# without much noise.
PIXELS = {"0.5K": 262_144, "1K": 1_048_576, "2K": 4_194_304, "4K": 16_777_216}
BYTES_A_PIXEL = {"png": 1.6, "jpeg": 0.3, "webp": 0.25}

# An image as the endpoint draws it where nothing else is said: 1K, PNG.
FIRST_IMAGE_BYTES = int(PIXELS["1K"] * BYTES_A_PIXEL["png"])


def assumed_bytes(job: Job) -> float:
    """Return how large one image of a job may be, in bytes, by the size that it asks for."""
    pixels = PIXELS.get(str(job.input.get("resolution")), PIXELS["1K"])
    return pixels * BYTES_A_PIXEL.get(str(job.input.get("output_format")), BYTES_A_PIXEL["png"])
