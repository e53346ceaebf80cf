"""How long a manifest takes to load, and a job to be drawn; memory, too.

python tests/benchmarks/jobs_drawn.py [--jobs N] [--profile]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from batchgen import Manifest, load_manifest

GRID = """
prompt: "A {{ style }} portrait of {{ animal.name }} in {{ animal.home }}, {{ light }}"
parameters: {resolution: 2K}
grid:
  animal: [ANIMALS]
  style: {range: [100]}
  light: [dawn, noon, dusk, night, fog, rain, snow, sun, haze, storm]
  aspect_ratio: [1:1, 16:9, 4:3, 3:4]
""".replace("ANIMALS", ", ".join(f"{{name: fox {n}, home: wood {n}}}" for n in range(250)))

ROWS = """
prompt: "Photo of {{ title }} in {{ colour }}"
rows: rows.csv
key: sku
grid: {aspect_ratio: [1:1, 16:9]}
"""

TABLE = "sku,title,colour,resolution\n" + "".join(
    f"{n:06},Title number {n} of the set,colour {n % 17},{'2K' if n % 9 else ''}\n"
    for n in range(100_000)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A manifest of a certain kind."""

    label: str
    text: str


CASES = [
    Case(label="grid of a million", text=GRID),
    Case(label="… with file names", text=GRID + 'filename: "{{ style }}/{{ light }} {{ seed }}"\n'),
    Case(label="… drawn at random", text=GRID + "draw: {jobs: 1000000, seed: 7}\n"),
    Case(label="100,000 rows × 2", text=ROWS),
    Case(label="… drawn at random", text=ROWS + "draw: {jobs: 200000, seed: 7}\n"),
]


def main() -> None:
    """Measure every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=200_000, help="jobs drawn in each case")
    parser.add_argument("--profile", action="store_true", help="show where the time goes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "rows.csv").write_text(TABLE)
        for case in CASES:
            path = Path(folder) / "m.yaml"
            path.write_text(case.text)
            _measure(case, path, jobs=options.jobs, profile=options.profile)


def _measure(case: Case, path: Path, *, jobs: int, profile: bool) -> None:
    began = time.perf_counter()
    manifest = load_manifest(path)
    loaded = time.perf_counter() - began
    before = _megabytes()
    profiler = cProfile.Profile() if profile else None
    if profiler:
        profiler.enable()
    began = time.perf_counter()
    drawn = _draw(manifest, jobs)
    each = (time.perf_counter() - began) / drawn
    if profiler:
        profiler.disable()
        pstats.Stats(profiler, stream=sys.stdout).sort_stats("tottime").print_stats(15)
    sys.stdout.write(
        f"{case.label:22} {manifest.count():>9,} jobs  loaded in {loaded * 1e3:6.1f} ms  "
        f"{each * 1e6:5.1f} µs a job  {_megabytes() - before:5.1f} MB more\n"
    )


def _draw(manifest: Manifest, jobs: int) -> int:
    return sum(1 for _ in islice(manifest.jobs(), jobs))


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
