"""What grows with a batch: start-up, memory and jobs a second, at a thousand to a million jobs.

    python tests/benchmarks/growth.py [--sizes 1000,10000,100000] [--folder DIR] [--plot FILE]

For each size a batch is written of which so many jobs have finished and a thousand are left. It
is gone on with twice against a raw queue: `resume --limit 1` shows how long it takes until the
first submission, `resume --limit 250 --no-download` how many jobs a second it does then and how
much memory it needs at most. One JSON line is printed for each size, and all of them are drawn
into one picture (`--plot growth.svg`, which needs matplotlib). With `--lines FILE` nothing is
measured: the picture is drawn from lines that were printed before.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

from finished_batch import write_finished, write_manifest
from started_run import start

LEFT = 1000
SENT = 250
PANELS = (
    ("first_post_s", "from the start to the first submission, in s", True),
    ("first_post_cpu_s", "CPU time of a run that sends one job, in s", True),
    ("peak_mb", "memory at most, in MB", False),
    ("jobs_a_second", "jobs a second then", False),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--folder", type=Path, help="keep the batches here, or use what is there")
    parser.add_argument("--lines", type=Path, help="lines that were printed before")
    parser.add_argument("--plot", type=Path)
    given = parser.parse_args()
    if given.lines:
        found = [json.loads(line) for line in given.lines.read_text().splitlines()]
    else:
        with tempfile.TemporaryDirectory() as scratch:
            folder = given.folder or Path(scratch)
            found = [measure(folder / size, int(size)) for size in given.sizes.split(",")]
    if given.plot:
        draw(found, given.plot)


def measure(place: Path, jobs: int) -> dict[str, float]:
    folder = place / "jobs" / "many"
    if not (folder / "batch.json").exists():
        write_finished(write_manifest(place, jobs=jobs + LEFT), folder, jobs=jobs)
    first = start(["resume", "many", "--limit", "1", "--no-download"], place)
    more = start(["resume", "many", "--limit", str(SENT), "--no-download"], place)
    line = {
        "benchmark": "growth",
        "jobs": jobs,
        "first_post_s": round(first.first_post_s or 0.0, 3),
        "first_post_cpu_s": round(first.cpu_s, 3),
        "peak_mb": round(max(first.peak_mb, more.peak_mb)),
        "jobs_a_second": round(more.calls["submit"] / more.running_s),
    }
    sys.stdout.write(f"{json.dumps(line)}\n")
    sys.stdout.flush()
    return line


def draw(found: list[dict[str, float]], path: Path) -> None:
    """Draw one panel for each figure, over the number of jobs on record."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none"})
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(2, 2, figsize=(8, 5), sharex=True, layout="constrained")
    jobs = [line["jobs"] for line in found]
    for (name, title, is_log), panel in zip(PANELS, panels.flat, strict=True):
        panel.plot(jobs, [line[name] for line in found], marker="o", color="#2b6ca3")
        panel.set_title(title, fontsize=10, loc="left")
        panel.set_xscale("log")
        if is_log:
            panel.set_yscale("log")
            panel.yaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
        else:
            panel.set_ylim(0, 1.15 * max(line[name] for line in found))
        panel.grid(visible=True, color="#dddddd")
        panel.spines[["top", "right"]].set_visible(False)
    for panel in panels[-1]:
        panel.set_xlabel("finished jobs on record")
        panel.xaxis.set_major_formatter("{x:,.0f}")
    figure.savefig(path, metadata={"Date": None})


if __name__ == "__main__":
    main()
