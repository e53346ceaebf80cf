"""How a page of many images behaves: `python tests/benchmarks/gallery_scale.py --jobs 5000`.

A finished batch is written, its page made twice (the second time only what is new), and opened in
headless Chromium. What is measured there: the time from opening the page to its first picture and
to its last data, and every frame while the grid is scrolled from end to end, then the matrix.
Frames are real time, so that a busy machine spoils them; beside them stands the longest task of
the page's thread in CPU time, which it does not. One line of JSON comes out.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.browser import browser, visit
from support.exhibition import exhibit

from batchgen.batch import Batch
from batchgen.gallery import make_gallery
from batchgen.job import Job, Json

# Scrolls a box from end to end, one step a frame, and returns how long each frame took.
SCROLL = """(name) => new Promise((resolve) => {
  const box = document.querySelector(name);
  const step = Math.max(box.clientHeight / 3, box.scrollHeight / 900);
  const frames = [];
  let before = performance.now();
  const go = (now) => {
    frames.push(now - before);
    before = now;
    if (box.scrollTop + box.clientHeight >= box.scrollHeight - 1) resolve(frames.slice(1));
    else { box.scrollTop += step; requestAnimationFrame(go); }
  };
  requestAnimationFrame((now) => { before = now; requestAnimationFrame(go); });
})"""

FIRST_PICTURE = "document.querySelectorAll('img.here').length > 0"
ALL_READ = "document.body.dataset.ready === 'yes'"


def manifest(jobs: int) -> dict[str, Json]:
    """Return a manifest of about so many jobs, with prompts of a usual length."""
    scenes = max(1, jobs // 80)
    return {
        "batch": "many",
        "prompt": "A {{ style }} of scene {{ scene }} in {{ light }}, on a wide plain under a high "
        "sky, a few people far away, drawn by a patient hand, muted colours, soft light",
        "grid": {
            "scene": [f"number {number}" for number in range(scenes)],
            "style": ["woodcut", "gouache", "etching", "papercut", "pastel"],
            "light": ["dawn", "noon", "dusk", "night"],
            "aspect_ratio": ["1:1", "3:2"],
        },
        "repeat": 2,
    }


def end_of(place: int, _: Job) -> str:
    return "failed:content_policy_violation" if place % 97 == 5 else "succeeded"


def make(folder: Path) -> dict[str, Any]:
    began, cpu = time.monotonic(), time.process_time()
    made = make_gallery(Batch(folder), share=False, now=datetime.now(UTC), watch=lambda *_: None)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "cpu_here_s": round(time.process_time() - cpu, 1),
        "thumbnails": made.made,
        "mb": round(made.bytes / 1e6, 1),
    }


def memory_mb() -> float:
    """Return what the process of the page holds, shared parts by their share."""
    most = 0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if "chromium" in (folder / "cmdline").read_text() and _is_ours(folder):
                lines = (folder / "smaps_rollup").read_text().splitlines()
                held = sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
                most = max(most, held)
        except OSError:
            continue
    return round(most / 1024, 1)


def _is_ours(folder: Path) -> bool:
    """Say whether a process descends from this one."""
    number = int(folder.name)
    while number > 1:
        if number == os.getpid():
            return True
        number = int(
            (Path("/proc") / str(number) / "stat").read_text().rpartition(")")[2].split()[1]
        )
    return False


@contextmanager
def tracing(page: Any) -> Iterator[list[dict[str, Any]]]:
    """Note what Chromium's threads do; the list is filled when the context ends."""
    events: list[dict[str, Any]] = []
    ended: list[bool] = []
    session = page.context.new_cdp_session(page)
    session.on("Tracing.dataCollected", lambda told: events.extend(told["value"]))
    session.on("Tracing.tracingComplete", lambda _: ended.append(True))
    session.send("Tracing.start", {"categories": "toplevel", "transferMode": "ReportEvents"})
    yield events
    session.send("Tracing.end")
    while not ended:
        page.wait_for_timeout(50)
    session.detach()


def longest_task_ms(events: list[dict[str, Any]]) -> float:
    """Return the CPU time of the longest task of the page's own thread, in milliseconds."""
    names = {
        (event["pid"], event["tid"]): event["args"]["name"]
        for event in events
        if event.get("name") == "thread_name"
    }
    tasks = [
        event["tdur"] / 1000
        for event in events
        if "tdur" in event and names.get((event["pid"], event["tid"])) == "CrRendererMain"
    ]
    return round(max(tasks), 1)


def look(page_file: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with browser() as context, visit(context) as looking:
        page = looking.page
        began = time.monotonic()
        page.goto(f"{page_file.as_uri()}#grid", wait_until="commit")
        looking.until(FIRST_PICTURE)
        found["first_picture_s"] = round(time.monotonic() - began, 2)
        looking.until(ALL_READ)
        found["all_read_s"] = round(time.monotonic() - began, 2)
        page.wait_for_timeout(1000)
        for view in ("grid", "matrix"):
            page.click(f"#tab-{view}")
            page.wait_for_timeout(500)
            with tracing(page) as events:
                frames = sorted(page.evaluate(SCROLL, f"#{view}-scroller"))
            found[view] = {
                "frames": len(frames),
                "median_ms": round(frames[len(frames) // 2], 1),
                "p99_ms": round(frames[len(frames) * 99 // 100], 1),
                "worst_ms": round(frames[-1], 1),
                "over_100_ms": sum(frame > 100 for frame in frames),
                "longest_task_cpu_ms": longest_task_ms(events),
            }
        began = time.monotonic()
        page.fill("#search", "number 7 etching dusk")
        looking.until("batchgen.selection.text !== '' && !document.querySelector('#clear').hidden")
        found["search_s"] = round(time.monotonic() - began, 2)
        found["page_mb"] = memory_mb()
        found["complaints"] = looking.complaints
        found["requests_off_disk"] = looking.strangers
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=5000)
    parser.add_argument("--size", type=int, default=512, help="of the images, in pixels")
    parser.add_argument("--folder", type=Path, help="keep the batch here, and use it again")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)) / "many"
        if not folder.exists():
            size = (options.size, options.size * 2 // 3)
            exhibit(folder, manifest(options.jobs), end_of=end_of, size=size)
        found = {
            "jobs": options.jobs,
            "first": make(folder),
            "again": make(folder),
            "peak_mb_here": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            **look(folder / "gallery" / "index.html"),
        }
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
