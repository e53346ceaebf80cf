"""The door through which tests look at a simulator that runs as a process."""

from __future__ import annotations

from simulator_calls import simulated


async def test_everything_that_was_counted_can_be_read() -> None:
    async with simulated(faults={"null_logs": 1.0}) as (_, caller):
        submitted = await caller.run(num_images=2)
        await caller.call("GET", submitted["response_url"])
        await caller.submit(key="")
        counts = (await caller.call("GET", "/_simulator", key=None)).body

    assert counts["accepted"] == 1
    assert counts["accepted_inputs"] == {'{"num_images":2,"prompt":"a fox"}': 1}
    assert (counts["images_made"], counts["units_made"]) == (2, "2")
    assert (counts["open"], counts["most_open"], counts["locked"]) == (0, 1, False)
    assert counts["calls"]["submit"] == 2
    assert counts["answers"]["submit 401"] == 1
    assert counts["answers"]["result 200"] == 1
    assert counts["faults_fired"]["null_logs"] == counts["calls"]["status"]
    assert counts["seen_authorization_on_images"] == 0


async def test_requests_can_be_listed() -> None:
    async with simulated() as (_, caller):
        submitted = await caller.run(seed=5)
        [request] = (await caller.call("GET", "/_simulator/requests", key=None)).body["requests"]

    assert request["request_id"] == submitted["request_id"]
    assert request["input"] == {"prompt": "a fox", "seed": 5}
    assert (request["status"], request["ending"]) == ("COMPLETED", "done")


async def test_faults_can_be_set_and_cleared() -> None:
    async with simulated() as (_, caller):
        await caller.submit()
        said = await caller.call(
            "POST",
            "/_simulator/faults",
            key=None,
            json={
                "rates": {"submit 503": 1},
                "script": [{"on": "submit", "nth": 2, "do": "throttled"}],
            },
        )
        codes = [(await caller.submit()).status for _ in range(2)]
        await caller.call("POST", "/_simulator/faults", key=None, json={"clear": True})
        codes.append((await caller.submit()).status)

    assert said.body["seen"]["submit"] == 1
    assert codes == [429, 503, 200]


async def test_a_mistake_in_a_fault_changes_nothing() -> None:
    async with simulated() as (_, caller):
        for body in ({"rates": {"no such": 1}}, {"script": [{"on": "submit"}]}, ["x"]):
            said = await caller.call("POST", "/_simulator/faults", key=None, json=body)
            assert said.status == 422
        assert (await caller.submit()).status == 200


async def test_the_account_can_be_locked_and_unlocked_from_outside() -> None:
    async with simulated() as (_, caller):
        await caller.call("POST", "/_simulator/lock", key=None, json={"reason": "admin"})
        locked = await caller.submit()
        wrong = await caller.call("POST", "/_simulator/lock", key=None, json={"reason": "x"})
        await caller.call("POST", "/_simulator/unlock", key=None)
        free = await caller.submit()

    assert (locked.status, wrong.status, free.status) == (403, 422, 200)


async def test_stuck_requests_can_be_released_from_outside() -> None:
    async with simulated() as (queue, caller):
        queue.faults.script(on="run", nth=1, do="stuck")
        submitted = (await caller.submit()).body
        said = await caller.call("POST", "/_simulator/release", key=None)
        await caller.wait(submitted)

    assert said.body == {"released": 1}
