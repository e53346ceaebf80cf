"""`batchgen simulate` as a process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from batchgen.simulator import FAULTS

COMMAND = [sys.executable, "-c", "from batchgen.cli.simulate import command; command()"]
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen({COMMAND!r} + ["--port", "0", "--json", "--die-with-stdin"],
                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
print(child.stdout.readline(), end="", flush=True)
time.sleep(600)
"""
posix_only = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


def start(*options: str, stdin: int = subprocess.DEVNULL) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *options],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().rstrip("\n")


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/_simulator", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until_silent(url: str, *, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not answers(url):
            return True
        time.sleep(0.05)
    return False


def test_the_first_line_is_the_url_of_a_free_port() -> None:
    process = start("--port", "0")
    url = first_line(process)

    assert url.startswith("http://127.0.0.1:")
    assert answers(url)
    process.terminate()
    out, err = process.communicate()
    assert (process.returncode, out) == (0, "")
    assert url in err
    assert "Traceback" not in err


def test_the_first_line_can_be_json(tmp_path: Path) -> None:
    process = start("--port", "0", "--json", "--folder", str(tmp_path / "kept"))
    said = json.loads(first_line(process))
    process.terminate()
    process.communicate()

    assert said == {
        "url": said["url"],
        "platform_url": f"{said['url']}/v1",
        "pid": process.pid,
        "folder": str((tmp_path / "kept").resolve()),
    }


@posix_only
def test_ctrl_c_ends_it_quietly() -> None:
    process = start("--port", "0")
    first_line(process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)

    assert process.returncode == 130
    assert len(err.splitlines()) == 1  # where it was, and nothing of how it ended


def test_a_child_ends_when_its_standard_input_closes() -> None:
    process = start("--port", "0", "--die-with-stdin", stdin=subprocess.PIPE)
    assert answers(first_line(process))
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out, err) == (0, "", "")


@posix_only
def test_a_child_outlives_the_terminals_signals_and_never_its_parent() -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True)
    said = json.loads(first_line(parent))
    for number in (signal.SIGINT, signal.SIGHUP):
        os.kill(said["pid"], number)
    time.sleep(0.3)
    assert answers(said["url"])
    parent.kill()
    parent.communicate()

    assert wait_until_silent(said["url"])


def test_a_port_in_use_is_a_mistake_that_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = start("--port", str(taken.getsockname()[1]))
        out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (2, "")
    assert "is in use; --port 0 takes a free one" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        pytest.param(["--faults", "lost_replay=0.1"], "Did you mean 'lost_reply'", id="fault"),
        pytest.param(["--faults", "lost_reply=7"], "a number from 0 to 1", id="rate"),
        pytest.param(["--script", "no-such-file.json"], "no-such-file.json", id="script"),
        pytest.param(["--endpoint", "alone"], "owner/alias", id="endpoint"),
        pytest.param(["--image-scale", "0"], "image-scale", id="scale"),
        pytest.param(["--seconds", "-1"], "seconds", id="seconds"),
    ],
)
def test_mistakes_are_told_and_end_with_2(options: list[str], complaint: str) -> None:
    process = start("--port", "0", *options)
    out, err = process.communicate(timeout=20)

    assert (process.returncode, out) == (2, "")
    assert complaint in err
    assert "Traceback" not in err


def test_a_script_and_rates_are_obeyed(tmp_path: Path) -> None:
    script = tmp_path / "script.json"
    script.write_text('[{"on": "submit", "nth": "2-", "do": "submit_503"}]')
    process = start("--port", "0", "--script", str(script), "--faults", "submit_201=1")
    url = first_line(process) + "/fal-ai/nano-banana-2"
    codes = []
    for _ in range(3):
        request = urllib.request.Request(
            url, data=b'{"prompt": "a fox"}', headers={"Authorization": "Key a:b"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request) as answer:
                codes.append(answer.status)
        except urllib.error.HTTPError as error:
            codes.append(error.code)
            error.close()
    process.terminate()
    process.communicate()

    assert codes == [201, 503, 503]


def test_the_help_names_every_fault_and_the_list_says_what_it_does() -> None:
    texts = [
        subprocess.run([*COMMAND, option], capture_output=True, text=True, check=True).stdout
        for option in ("--help", "--list-faults")
    ]

    words = set(texts[0].split())
    assert words >= set(FAULTS)
    for fault in FAULTS.values():
        assert fault.text in texts[1]


def test_no_fault_makes_it_talk() -> None:
    """What breaks off on purpose is not worth a line on stderr, let alone a traceback."""
    quick = {name: 0.05 for name in FAULTS if "hang" not in name and "stall" not in name}
    rates = ",".join(f"{name}={rate}" for name, rate in quick.items() if "slow" not in name)
    process = start("--port", "0", "--seconds", "0", "--image-scale", "0.03", "--faults", rates)
    url = first_line(process)
    place = f"{url}/fal-ai/nano-banana-2"
    for number in range(60):
        said = call("POST", place, b'{"prompt": "a fox"}')
        request_id = said.get("request_id", f"none-{number}")
        for page in ("", "/status", "/status/stream"):
            call("GET", f"{place}/requests/{request_id}{page}")
        call("PUT", f"{place}/requests/{request_id}/cancel")
        call("GET", f"{url}/files/b/{request_id}/1/0.png")
        call("GET", f"{url}/v1/models/requests/by-endpoint?endpoint_id=fal-ai/nano-banana-2")
        call("GET", f"{url}/v1/models/pricing?endpoint_id=fal-ai/nano-banana-2")
    process.terminate()
    _, err = process.communicate(timeout=20)

    assert process.returncode == 0
    assert len(err.splitlines()) == 1  # where it is


def call(method: str, url: str, body: bytes | None = None) -> dict[str, str]:
    """Make one call and return its JSON, or nothing, whatever comes of it."""
    request = urllib.request.Request(
        url, data=body, headers={"Authorization": "Key a:b"}, method=method
    )
    opener = urllib.request.build_opener(NoRedirects)
    try:
        with opener.open(request, timeout=10) as answer:
            said = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        error.close()
        return {}
    except (OSError, ValueError, http.client.HTTPException):
        return {}
    return said if isinstance(said, dict) else {}


class NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
