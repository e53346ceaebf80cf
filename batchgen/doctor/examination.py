"""Look at everything that a run needs, in the order in which it needs it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batchgen.batch import Batch
from batchgen.doctor.connection import (
    call,
    check_platform,
    judge_clock,
    judge_key,
    judge_queue,
    read_key,
)
from batchgen.doctor.finding import Finding, Grade, fine
from batchgen.doctor.history import (
    check_lock,
    check_manifest,
    check_open_requests,
    check_record,
)
from batchgen.doctor.machine import (
    check_open_files,
    check_packages,
    check_uvloop,
    check_versions,
    installed_version,
    needed_packages,
    open_file_limit,
)
from batchgen.doctor.storage import (
    check_file_system,
    check_folder,
    check_locks,
    check_space,
    free_bytes,
    read_mounts,
)
from batchgen.event_loop import run_to_end
from batchgen.job import Json

DEFAULT_ENDPOINT = "fal-ai/nano-banana-2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found, in order."""

    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """3 where a run could not go, 1 where something is wrong, else 0."""
        if any(one.stops_run for one in self.findings):
            return 3
        return 1 if any(one.grade is Grade.WRONG for one in self.findings) else 0

    @property
    def reason(self) -> str:
        """What is wrong, by name; `""` where nothing is."""
        return ", ".join(one.name for one in self.findings if one.grade is Grade.WRONG)

    def as_json(self) -> dict[str, Json]:
        """Return it as `--json` has it."""
        return {
            "findings": [one.as_json() for one in self.findings],
            "exit_code": self.exit_code,
            "reason": self.reason,
        }


def examine(
    *,
    jobs_dir: Path,
    environ: Mapping[str, str],
    env_file: Path | None = None,
    batch: Batch | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    monotonic: Callable[[], float] = time.monotonic,
) -> Examination:
    """Look at everything; nothing is sent but free reads, and nothing stays behind.

    Args:
        jobs_dir: Where batches live.
        environ: The environment.
        env_file: A file to read the key from, if the user named one.
        batch: A batch that is to be looked at too, or None.
        now: The time of day, in UTC.
        monotonic: A clock that never goes back, in seconds.
    """
    folder = (batch.folder if batch else jobs_dir).absolute()
    is_simulated = batch is not None and batch.state is not None and batch.state.simulated
    endpoints: tuple[str, ...] = ()
    findings: list[Finding] = []
    if batch is not None:
        endpoints, findings = _look_at(batch, environ, env_file)
    if is_simulated:
        findings.insert(0, fine("key", "a simulated batch needs neither key nor network"))
    else:
        endpoint = endpoints[0] if endpoints else DEFAULT_ENDPOINT
        connected = _connect(environ, env_file, endpoint, now=now, monotonic=monotonic)
        findings = [*run_to_end(connected), *findings]
    file_system = check_file_system(folder, read_mounts())
    findings += [
        check_folder(folder, monotonic=monotonic),
        check_space(folder, free=free_bytes),
        check_locks(folder, now=now),
        *([file_system] if file_system else []),
        check_open_files(open_file_limit()),
        check_versions(),
        check_packages(needed_packages(), installed=installed_version),
        check_uvloop(installed_version("uvloop"), is_windows=os.name == "nt"),
    ]
    return Examination(findings=tuple(findings))


async def _connect(
    environ: Mapping[str, str],
    env_file: Path | None,
    endpoint: str,
    *,
    now: Callable[[], datetime],
    monotonic: Callable[[], float],
) -> list[Finding]:
    service, key = read_key(environ, env_file=env_file)
    if service is None:
        return [key]
    called = await call(service, endpoint, now=now, monotonic=monotonic)
    clock = judge_clock(called)
    findings = [judge_key(key, called), judge_queue(service, called, environ=environ)]
    if service.key and called.barred is None and called.error is None:
        findings.append(await check_platform(service, endpoint, now=now))
    return findings + ([clock] if clock else [])


def _look_at(
    batch: Batch, environ: Mapping[str, str], env_file: Path | None
) -> tuple[tuple[str, ...], list[Finding]]:
    """Return the endpoints of a batch, and what is to be said of its files."""
    record, recorded = check_record(batch)
    endpoints, kept = check_manifest(batch)
    findings = [kept, recorded, check_lock(batch)]
    is_simulated = batch.state is not None and batch.state.simulated
    service, _ = read_key(environ, env_file=env_file)
    if record is not None and service is not None and not is_simulated:
        findings.append(check_open_requests(batch, record, service))
    return endpoints, findings
