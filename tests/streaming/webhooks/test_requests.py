"""What is asked of a webhook process that runs: replay, other endpoints, the delivery log."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from streaming.events.event_messages import EventsTold
from streaming.webhooks.messages import Enable, FindAttempts, Replay, SetEndpoints
from streaming.webhooks.queue import AttemptRecord, DeliveryQueue
from tests.streaming.events.happenings import happening
from tests.streaming.webhooks.receiver import receiver
from tests.streaming.webhooks.test_dispatcher import (
    BEGIN,
    dispatching,
    endpoint,
    ids,
    told,
    wait,
)


def test_events_are_posted_again_on_request_under_their_own_ids(tmp_path: Path) -> None:
    with receiver() as seen, dispatching(tmp_path / "q", endpoint(seen)) as (dispatcher, said):
        dispatcher.put(told(1, 2))
        wait(lambda: bool(said) and said[-1].endpoints[0].delivered == 2)
        dispatcher.put(Replay(7, "mine", (happening(1).body,)))
        wait(lambda: len(seen.posted) == 3)
        assert Counter(ids(seen)) == {1: 2, 2: 1}
        assert seen.unverified == []
        assert said.answers[-1].result == {"replayed": 1}


def test_what_waits_for_its_next_attempt_is_posted_at_once_when_it_is_replayed(
    tmp_path: Path,
) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (500 if len(seen.posted) == 1 else 204, {})
        late = endpoint(seen, retry_s=(3_600.0,))
        with dispatching(tmp_path / "q", late) as (dispatcher, said):
            dispatcher.put(told(1))
            wait(lambda: bool(said) and said[-1].endpoints[0].failed_attempts == 1)
            dispatcher.put(Replay(1, "mine", (happening(1).body,)))
            wait(lambda: len(seen.posted) == 2)
            wait(lambda: said[-1].endpoints[0].delivered == 1)
        assert DeliveryQueue(str(tmp_path / "q")).pending("mine") == 0


def test_an_answer_means_that_a_kill_loses_nothing(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (500, {})
        late = endpoint(seen, retry_s=(3_600.0,))
        with dispatching(tmp_path / "q", late) as (dispatcher, said):
            dispatcher.put(Replay(1, "mine", (happening(1).body, happening(2).body)))
            wait(lambda: said.answers != [])
            other_connection = DeliveryQueue(str(tmp_path / "q"))
            assert other_connection.pending("mine") == 2
            other_connection.close()


def test_endpoints_come_change_and_go_while_others_are_delivered_to(tmp_path: Path) -> None:
    with receiver() as first, receiver() as second:
        one = endpoint(first)
        with dispatching(tmp_path / "q", one) as (dispatcher, said):
            dispatcher.put(told(1))
            wait(lambda: ids(first) == [1])
            two = endpoint(second, name="two", since=str(happening(1).id))
            dispatcher.put(SetEndpoints((one, two)))
            dispatcher.put(told(1, 2))
            wait(lambda: ids(first) == [1, 2] and ids(second) == [2])
            changed = endpoint(second, name="two", types=("wanted.*",), max_in_flight=1)
            dispatcher.put(SetEndpoints((one, changed)))
            dispatcher.put(told(3))
            dispatcher.put(EventsTold((happening(4, "wanted.x").body,)))
            wait(lambda: len(first.posted) == 4 and ids(second) == [2, 4])
            dispatcher.put(SetEndpoints((one,)))
            dispatcher.put(EventsTold((happening(5, "wanted.x").body,)))
            dispatcher.put(Enable(9, "two"))
            wait(lambda: len(first.posted) == 5 and said.answers != [])
            assert ids(second) == [2, 4]
            assert said.answers[-1].status == 404


def test_another_url_is_another_receiver_that_has_refused_nothing(tmp_path: Path) -> None:
    with receiver() as gone, receiver() as seen:
        gone.answer = lambda _: (410, {})
        with dispatching(tmp_path / "q", endpoint(gone)) as (dispatcher, said):
            dispatcher.put(told(1))
            wait(lambda: bool(said) and said[-1].endpoints[0].disabled)
            dispatcher.put(SetEndpoints((endpoint(seen),)))
            dispatcher.put(told(2))
            wait(lambda: ids(seen) == [2])


def test_an_endpoint_that_is_new_to_an_old_queue_is_told_what_happens_from_then_on(
    tmp_path: Path,
) -> None:
    with receiver() as seen, receiver() as other:
        with dispatching(tmp_path / "q", endpoint(seen)) as (dispatcher, _):
            dispatcher.put(told(1))
            wait(lambda: ids(seen) == [1])
        new = endpoint(other, name="new", since=str(happening(3).id))
        with dispatching(tmp_path / "q", new, fresh=False) as (dispatcher, _):
            dispatcher.put(BEGIN)
            dispatcher.put(told(1, 2, 3, 4))
            wait(lambda: ids(other) == [4])
        later = endpoint(other, name="new", since=str(happening(99).id))
        with dispatching(tmp_path / "q", later, fresh=False) as (dispatcher, _):
            dispatcher.put(told(5))  # it has begun long ago
            wait(lambda: 5 in ids(other))
        # At least once: the one before may have ended before it had written down that 4 was taken.
        assert set(ids(other)) == {4, 5}


def test_the_late_answer_of_a_removed_endpoint_costs_no_other_its_events(tmp_path: Path) -> None:
    queue = DeliveryQueue(str(tmp_path / "q"))
    queue.add("mine", [happening(1)], 0.0)
    (late,) = queue.due("mine", 1.0, 9, ())
    queue.forget_others([])
    queue.add("other", [happening(2)], 0.0)
    (taken,) = queue.due("other", 1.0, 9, ())
    assert taken.number == late.number
    queue.put_off(late, 99.0)
    queue.done(late)
    assert queue.due("other", 1.0, 9, ()) == [taken]
    queue.close()


def test_the_delivery_log_is_read_a_page_at_a_time_and_by_what_is_looked_for(
    tmp_path: Path,
) -> None:
    with receiver() as seen:
        seen.answer = lambda webhook_id: (500 if webhook_id.endswith("-2") else 204, {})
        one = endpoint(seen, retry_s=(0.01,), max_in_flight=1)
        with dispatching(tmp_path / "q", one) as (dispatcher, said):
            dispatcher.put(told(1, 2, 3))
            wait(lambda: bool(said) and said[-1].endpoints[0].given_up == 1)
            wait(lambda: said[-1].endpoints[0].delivered == 2)
            dispatcher.put(FindAttempts(1, "mine", None, 2))
            wait(lambda: len(said.answers) == 1)
            page = said.answers[0].result
            dispatcher.put(FindAttempts(2, "mine", page[-1]["number"], 9))
            dispatcher.put(FindAttempts(3, "mine", None, 9, str(happening(2).id)))
            dispatcher.put(FindAttempts(4, "mine", None, 9, "", "given up"))
            wait(lambda: len(said.answers) == 4)
    rest, of_one, given_up = (answer.result for answer in said.answers[1:])
    numbers = [attempt["number"] for attempt in page + rest]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == 4
    assert [(a["attempt"], a["status"], a["outcome"]) for a in of_one] == [
        (2, 500, "given up"), (1, 500, "retry"),
    ]  # fmt: skip
    assert given_up == of_one[:1]


def test_the_delivery_log_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streaming.webhooks.queue.MOST_ATTEMPTS_KEPT", 5)
    queue = DeliveryQueue(str(tmp_path / "q"))
    for n in range(20):
        queue.record(AttemptRecord("mine", f"1-{n}", 0.0, 1, 204, "", 0.1, "delivered"))
    assert [a.event for a in queue.attempts("mine")] == [f"1-{n}" for n in range(19, 14, -1)]
    queue.close()
