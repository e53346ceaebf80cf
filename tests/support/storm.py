"""A storm: one batch, run by a command that is killed again and again, until it is done.

The kills fall at random moments, and on purpose around the POST: while the service has not taken
it yet, when it has just taken it, and while its answer is held back.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.audit import Account, audit
from support.shop import PATIENCE_S, Command, Shop
from support.simulated_queue import KEY, SimulatedQueue

# A look at the process and at the queue every so often, in seconds.
LOOK_S = 0.002

# The simulator runs more at a time than batchgen sends, so that nothing waits unlisted for longer
# than --unknown-after: that a request still queued may not be listed is the risk of `resubmit`.
QUEUE = (
    *("--seconds", "0.3", "--concurrency", "64", "--image-scale", "0.03"),
    *("--slow", "3", "--key", KEY),
)
RUN = ("run", "m.yaml", "--on-unknown", "resubmit", "--unknown-after", "1", "--verbose")

MANIFEST = """\
batch: storm
prompt: "{{{{ animal }}}}, {{{{ place }}}}"
grid:
  place: {{range: [{places}]}}
  animal: [a fox, an owl, "a cat,\\nasleep", 'a "hare"', Füchsin 🦊]
"""
ANIMALS = ("a fox", "an owl", "a cat,\nasleep", 'a "hare"', "Füchsin 🦊")

# What goes wrong in a storm with faults, and how likely it is at each call of its kind.
FAULTS: Mapping[str, float] = {
    "lost_reply": 0.02,
    "lost_post": 0.005,
    "throttled": 0.04,
    "throttled_seconds": 0.01,
    "status_dropped": 0.01,
    "status_garbled": 0.01,
    "result_503_nginx": 0.01,
    "short_result": 0.01,
    "image_short": 0.01,
    "image_damaged": 0.01,
    "image_503": 0.01,
    "internal_server_error": 0.01,
    "runner_disconnected": 0.01,
}

# Every other fault under which a job can still succeed, and which ends within the client's
# time-outs, each seldom.
SELDOM = 0.005
SURVIVABLE = """
lost_reply reset_reply accepted_500 accepted_502 accepted_503 accepted_504 no_request_id
garbled_submit empty_submit broken_submit lost_post reset_post throttled throttled_seconds
throttled_date throttled_needs_retry submit_425 rate_403 submit_408 submit_499 submit_500
submit_502 submit_503 submit_503_retry_after submit_503_nginx submit_504 only_the_id
only_the_urls response_suffix foreign_urls gateway_id submit_201 submit_202 step_back
internal_server_error generation_timeout downstream_service_error runner_incomplete_response
quiet_failure null_size only_image_urls hostile_file_name hostile_description no_units
served_elsewhere status_dropped status_reset status_404 status_408 status_429
status_429_retry_after status_500 status_502 status_503 status_503_nginx status_504
status_garbled status_broken status_empty status_redirect status_405 status_without_status
status_back unknown_status null_logs no_logs no_metrics null_inference_time
no_queue_position only_status result_dropped result_reset result_404 result_408 result_429
result_500 result_502 result_503 result_503_nginx result_504 result_garbled result_broken
result_empty result_redirect result_early result_typed_500 result_410 short_result image_403
image_404 image_408 image_410 image_429 image_500 image_502 image_503 image_504
image_dropped image_html image_empty image_wrong_type image_no_length image_short image_cut
image_reset image_wrong_bytes image_damaged image_huge image_redirect image_redirect_loop
image_redirect_private image_redirect_file history_dropped history_reset history_404
history_429 history_500 history_502 history_garbled history_broken history_empty
history_no_payloads history_added_keys history_overlap history_error_output
"""
ALL_FAULTS: Mapping[str, float] = dict.fromkeys(SURVIVABLE.split(), SELDOM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """What is to happen to a batch.

    Attributes:
        jobs: How many it has; a multiple of 5.
        kills: How often its command is killed.
        seed: Of the moments of the kills, and of the faults.
        faults: Rates of faults, by name.
        with_lock: Whether the account is locked half-way, and the lock lifted later.
        max_attempts: `--max-attempts`.
    """

    jobs: int = 500
    kills: int = 10
    seed: int = 0
    faults: Mapping[str, float] = field(default_factory=dict)
    with_lock: bool = False
    max_attempts: int = 3

    @property
    def concurrency(self) -> int:
        """`--concurrency`: a life sends no more at once than a small part of all."""
        return max(4, self.jobs // 25)

    @property
    def prompts(self) -> list[str]:
        """What is asked for."""
        return [f"{animal}, {place}" for place in range(self.jobs // 5) for animal in ANIMALS]


@dataclass(slots=True, kw_only=True)
class Aftermath:
    """What a storm has left.

    Attributes:
        account: What the audit found.
        kills: How often the command was killed, by the moment that was aimed at.
        codes: How often it ended by itself, by exit code.
        seconds: How long it all took.
    """

    account: Account
    kills: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0


def rage(folder: Path, storm: Storm) -> Aftermath:
    """Let a storm pass over a new batch in a folder, and say what it has left."""
    began = time.monotonic()
    with SimulatedQueue(folder / "queue", (*QUEUE, "--seed", str(storm.seed))) as queue:
        shop = Shop(folder, queue)
        shop.manifest(MANIFEST.format(places=storm.jobs // 5))
        weather = Weather(shop=shop, storm=storm, draw=random.Random(storm.seed))
        weather.pass_over()
        account = audit(shop, prompts=storm.prompts, max_attempts=storm.max_attempts)
    return Aftermath(
        account=account,
        kills=weather.kills,
        codes=weather.codes,
        seconds=time.monotonic() - began,
    )


@dataclass(slots=True, kw_only=True)
class Weather:
    """One storm on its way.

    Attributes:
        shop: Where the batch is run.
        storm: What is to happen.
        draw: Chance.
        kills: How often the command was killed, by the moment that was aimed at.
        codes: How often it ended by itself, by exit code.
    """

    shop: Shop
    storm: Storm
    draw: random.Random
    kills: Counter[str] = field(default_factory=Counter)
    codes: Counter[int] = field(default_factory=Counter)

    def pass_over(self) -> None:
        """Kill the command as often as the storm has it, then let it run until it is done.

        Raises:
            TimeoutError: It does not come to an end.
        """
        half = self.storm.kills // 2
        self._kill(half)
        if self.storm.with_lock:
            self._lock_for_a_while()
        self._kill(self.storm.kills - half)
        for _ in range(10):
            if self._run() == 0:
                return
        raise TimeoutError(f"the batch is not done after ten more runs: {dict(self.codes)}")

    def _kill(self, times: int) -> None:
        aims: dict[str, Callable[[Command], None]] = {
            "at any moment": self._at_any_moment,
            "just accepted": self._just_accepted,
            "answer held back": self._answer_held_back,
            "not accepted yet": self._not_accepted_yet,
        }
        end = self.kills.total() + times
        while self.kills.total() < end:
            name = self.draw.choice(list(aims))
            command = self._start()
            aims[name](command)
            if command.kill():
                self.kills[name] += 1
            elif self._note_end(command) == 0:
                return

    # -- where the blow falls --------------------------------------------------------------

    def _at_any_moment(self, command: Command) -> None:
        """Anywhere from the interpreter's start on."""
        target = self.queue.accepted() + self._share
        self._wait(
            command,
            until=lambda: self.queue.accepted() >= target,
            for_s=self.draw.uniform(0.0, 2.5),
        )

    def _just_accepted(self, command: Command) -> None:
        """At the moment when the service has taken one more request; its answer is on its way."""
        target = self.queue.accepted() + self.draw.randint(1, self._share)
        self._wait(command, until=lambda: self.queue.accepted() >= target)

    def _answer_held_back(self, command: Command) -> None:
        """When the service has taken some requests and answers none of them."""
        self._hit_submissions("hanging_reply", command)

    def _not_accepted_yet(self, command: Command) -> None:
        """When some POSTs have arrived that the service will never take: it is slow."""
        self._hit_submissions("slow_submit", command)

    def _hit_submissions(self, fault: str, command: Command) -> None:
        seen = self.queue.seen("submit")
        first = seen + self.draw.randint(1, self._share)
        last = first + self.draw.randint(0, 4)
        self.queue.misbehave(script=[{"on": "submit", "nth": f"{first}-{last}", "do": fault}])
        self._wait(command, until=lambda: self.queue.seen("submit") >= first, look_s=0.02)
        self._wait(command, for_s=self.draw.uniform(0.0, 0.3))

    # -- what happens between ----------------------------------------------------------------

    def _lock_for_a_while(self) -> None:
        """Lock the account while the command runs: it ends by itself; so does a second one."""
        command = self._start()
        target = self.queue.accepted() + self._share
        self._wait(command, until=lambda: self.queue.accepted() >= target)
        self.queue.lock()
        command.process.wait(timeout=PATIENCE_S)
        self._note_end(command)
        locked = self.queue.accepted()
        self._run()
        assert self.queue.accepted() == locked, "a locked account has accepted something"
        self.queue.unlock()

    def _run(self) -> int:
        command = self._start()
        command.process.wait(timeout=PATIENCE_S)
        return self._note_end(command)

    def _start(self) -> Command:
        # What was meant for an earlier life is over.
        self.queue.misbehave(clear=True, rates=self.storm.faults)
        return self.shop.start(
            *RUN,
            *("--concurrency", str(self.storm.concurrency)),
            *("--max-attempts", str(self.storm.max_attempts)),
        )

    def _note_end(self, command: Command) -> int:
        code: int = command.process.returncode
        assert code in (0, 1, 3), f"exit code {code}:\n{command.text}"
        assert "Traceback" not in command.text, command.text
        self.codes[code] += 1
        return code

    def _wait(
        self,
        command: Command,
        *,
        until: Callable[[], bool] = lambda: False,
        for_s: float = PATIENCE_S,
        look_s: float = LOOK_S,
    ) -> None:
        """Wait until something is so, for so long, or until the command has ended."""
        end = time.monotonic() + for_s
        while command.code is None and not until() and time.monotonic() < end:
            time.sleep(look_s)

    @property
    def queue(self) -> SimulatedQueue:
        """The queue."""
        return self.shop.queue

    @property
    def _share(self) -> int:
        """How many submissions one life may have, so that there is work for those that follow."""
        left = self.storm.jobs - self.queue.accepted()
        lives = self.storm.kills - self.kills.total() + 1
        return max(1, left // lives)
