"""Data as a script: a page that was opened from disk may load scripts, and nothing else."""

from __future__ import annotations

import json

from batchgen.job import Json


def call(name: str, *arguments: Json) -> str:
    r"""Return a script that hands data to the page: `batchgen.name(…);`.

    >>> call("page", 0, ["</script>"])
    'batchgen.page(0,["\\u003c/script>"]);\n'
    """
    written = ",".join(map(_json, arguments))
    return f"batchgen.{name}({written});\n"


def _json(value: Json) -> str:
    # ASCII alone, so that no encoding is guessed and no half character breaks the file.
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")
