"""The key, read from a file that was named: `--env-file`."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchgen.errors import UsageError
from batchgen.service import DEFAULT_QUEUE_URL, find_service


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("FAL_KEY=id:secret\n", "id:secret", id="plain"),
        pytest.param('export FAL_KEY="id:secret"\n', "id:secret", id="as in a shell"),
        pytest.param("FAL_KEY = 'id:secret'\r\n", "id:secret", id="blanks and another line end"),
        pytest.param("\ufeffFAL_KEY=id:secret", "id:secret", id="a byte order mark"),
        pytest.param("FAL_KEY=id:secret  # mine\n", "id:secret", id="a comment behind it"),
        pytest.param("# FAL_KEY=a:b\nFAL_KEY=id:secret\n", "id:secret", id="a comment before it"),
        pytest.param("PATH=/tmp\nFAL_KEY_ID=id\nFAL_KEY_SECRET=secret\n", "id:secret", id="in two"),
    ],
)
def test_a_key_from_a_file_that_was_named(tmp_path: Path, text: str, expected: str) -> None:
    file = tmp_path / ".env"
    file.write_bytes(text.encode())

    assert find_service({"FAL_KEY": "from:outside"}, env_file=file).key == expected


def test_nothing_but_the_key_is_read_from_that_file(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("FAL_KEY=id:secret\nBATCHGEN_QUEUE_URL=https://evil.example\n")

    assert find_service({}, env_file=file).queue_url == DEFAULT_QUEUE_URL


@pytest.mark.parametrize(
    "content",
    [None, b"", b"PATH=/tmp\n", b"\xff\xfeF\x00"],
    ids=["none", "empty", "other", "UTF-16"],
)
def test_a_file_without_a_key_is_a_mistake(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / ".env"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(UsageError, match="--env-file"):
        find_service({}, env_file=file)
