"""The same run, whatever optional fields the service leaves out and whatever it adds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.night import night, shots


@pytest.mark.parametrize(
    ("on", "fault"),
    [
        ("submit", "only_the_id"),
        ("submit", "only_the_urls"),
        ("submit", "response_suffix"),
        ("submit", "foreign_urls"),
        ("submit", "submit_201"),
        ("submit", "submit_202"),
        ("submit", "slow_submit"),
        ("status", "null_logs"),
        ("status", "no_logs"),
        ("status", "no_metrics"),
        ("status", "null_inference_time"),
        ("status", "no_queue_position"),
        ("status", "only_status"),
        ("status", "status_slow"),
        ("run", "step_back"),
        ("run", "null_size"),
        ("run", "only_image_urls"),
        ("run", "hostile_file_name"),
        ("run", "no_units"),
        ("run", "slow_run"),
    ],
)
async def test_optional_fields_may_be_missing_and_others_may_lie(
    tmp_path: Path, on: str, fault: str
) -> None:
    async with night(tmp_path, seconds=0.3, slow_s=2.0) as tonight:
        tonight.queue.faults.script(on=on, nth="every", do=fault)

        report = await tonight.run(shots(2))

        assert (report.exit_code, report.succeeded) == (0, 2)
        assert tonight.queue.accepted == 2
        assert tonight.states() == {"submitting": 2, "submitted": 2, "completed": 2}
        assert all(row["width"] and row["sha256"] and row["file"] for row in tonight.ledger)
        tonight.check_books()


@pytest.mark.parametrize("fault", ["unknown_status", "status_back", "status_405"])
async def test_a_status_that_makes_no_sense_at_first_is_asked_for_again(
    tmp_path: Path, fault: str
) -> None:
    async with night(tmp_path) as tonight:
        tonight.queue.faults.script(on="status", nth="1-6", do=fault)

        report = await tonight.run(shots(2))

        assert (report.exit_code, tonight.queue.accepted) == (0, 2)


@pytest.mark.parametrize("fault", ["", "foreign_urls", "only_the_id", "response_suffix"])
async def test_an_endpoint_with_a_sub_path(tmp_path: Path, fault: str) -> None:
    manifest: dict[str, Any] = {
        "batch": "night",
        "endpoint": "fal-ai/nano-banana-2/edit",
        "prompt": "{{ what }}",
        "parameters": {"image_urls": ["https://a.example/fox.png"]},
        "grid": {"what": ["brighter", "darker"]},
    }
    async with night(tmp_path) as tonight:
        if fault:
            tonight.queue.faults.script(on="submit", nth="every", do=fault)

        report = await tonight.run(manifest)

        assert (report.exit_code, report.succeeded) == (0, 2)
        assert {request.endpoint for request in tonight.queue.requests} == {
            "fal-ai/nano-banana-2/edit"
        }


@pytest.mark.parametrize(
    "prompt",
    [
        pytest.param("  blanks at both ends  ", id="blanks"),
        pytest.param("two\nlines\r\nand three", id="lines"),
        pytest.param('"quoted", and, commas', id="quotes"),
        pytest.param("=1+1", id="a formula"),
        pytest.param("Füchse 🦊 狐 \u202e", id="all kinds of letters"),
        pytest.param("x" * 20_000, id="very long"),
        pytest.param("{# no comment #} { one brace }", id="braces"),
    ],
)
async def test_a_prompt_arrives_and_is_recorded_byte_for_byte(tmp_path: Path, prompt: str) -> None:
    async with night(tmp_path) as tonight:
        report = await tonight.run({"batch": "night", "prompt": prompt})

        assert report.exit_code == 0
        [sent] = tonight.queue.accepted_inputs
        assert json.loads(sent)["prompt"] == prompt
        assert tonight.ledger[0]["prompt"] == prompt
