"""`python -m batchgen` is `batchgen`."""

from __future__ import annotations

from batchgen.cli import main

main()
