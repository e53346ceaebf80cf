"""Chromium, as the system has it, for pages that are opened from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

# A busy machine takes its time.
PATIENCE_MS = 30_000


@dataclass(slots=True)
class Visit:
    """One page that is looked at.

    Attributes:
        page: Playwright's.
        complaints: What the console has shown that should not be there.
        requests: Every address that was asked for.
    """

    page: Any
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def open(self, file: Path, view: str = "") -> None:
        """Open a page from disk, and wait until it has read all of its data."""
        self.page.goto("about:blank")
        self.page.goto(f"{file.as_uri()}{'#' if view else ''}{view}")
        self.page.wait_for_selector("body[data-ready=yes]", state="attached")

    def until(self, condition: str) -> None:
        """Wait until a condition holds, in JavaScript.

        Playwright's own way asks the page to make code of a text, which its policy forbids.
        """
        for _ in range(PATIENCE_MS // 25):
            if self.page.evaluate(condition):
                return
            self.page.wait_for_timeout(25)
        raise AssertionError(f"it did not come to: {condition}")

    @property
    def strangers(self) -> list[str]:
        """The addresses that are not on this disk."""
        return [url for url in self.requests if not url.startswith(("file:", "data:", "blob:"))]


def find_chromium() -> str:
    """Return where Chromium is, or skip the test."""
    pytest.importorskip("playwright", reason="playwright is not installed: pip install .[dev]")
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        pytest.skip("there is no Chromium (Debian, Ubuntu: apt install chromium)")
    return found


@contextmanager
def browser(*, width: int = 1280, height: int = 800) -> Iterator[Any]:
    """Start Chromium with a profile of its own; it gives out playwright's context."""
    chromium = find_chromium()
    from playwright.sync_api import sync_playwright

    with TemporaryDirectory() as profile, sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile,
            executable_path=chromium,
            headless=True,
            args=list(ARGUMENTS),
            viewport={"width": width, "height": height},
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        try:
            yield context
        finally:
            context.close()


@contextmanager
def visit(context: Any) -> Iterator[Visit]:
    """Open an empty page whose console and requests are listened to."""
    page = context.new_page()
    found = Visit(page)
    page.on("console", lambda said: _note(found, said.type, said.text))
    page.on("pageerror", lambda error: found.complaints.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    try:
        yield found
    finally:
        page.close()


def _note(found: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        found.complaints.append(text)
