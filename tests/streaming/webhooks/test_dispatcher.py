"""Deliveries: at least once each, over restarts, by the rules."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from streaming.config import WebhookConfig
from streaming.events.event import EventId
from streaming.events.event_feed import EventFeed
from streaming.events.event_log import EventLog
from streaming.events.event_messages import EventsBegin, EventsReplayed, EventsTold
from streaming.webhooks import dispatcher as module
from streaming.webhooks.dispatcher import Dispatcher
from streaming.webhooks.messages import (
    Enable,
    Endpoint,
    FromWebhooks,
    Replay,
    WebhookAnswer,
    WebhookReport,
    WebhookSetup,
)
from streaming.webhooks.queue import DeliveryQueue
from streaming.webhooks.webhooks import DATABASE, Webhooks
from tests.streaming.events.happenings import EPOCH, happening
from tests.streaming.webhooks.receiver import SECRET, Receiver, receiver

BEGIN = EventsBegin(EPOCH, f"{EPOCH}-0", {}, 1_000, 1 << 20, 1e9)
RETRY_S = (0.01,) * 12


def endpoint(seen: Receiver, **changes: Any) -> Endpoint:
    settings = {
        "name": "mine", "url": seen.url, "secrets": (SECRET,), "paths": (), "types": (),
        "max_in_flight": 4, "timeout_s": 5.0, "allow_private": True, "retry_s": RETRY_S,
    }  # fmt: skip
    return Endpoint(**{**settings, **changes})


def told(*counts: int) -> EventsTold:
    return EventsTold(tuple(happening(n).body for n in counts))


class Said(list[WebhookReport]):
    """The reports; answers are apart."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: list[WebhookAnswer] = []

    def take(self, news: FromWebhooks) -> None:
        if isinstance(news, WebhookAnswer):
            self.answers.append(news)
        else:
            self.append(news)


@contextmanager
def dispatching(
    database: Path | str, *endpoints: Endpoint, fresh: bool = True
) -> Iterator[tuple[Dispatcher, Said]]:
    """A dispatcher that has heard of an empty log, so that what follows is news."""
    said = Said()
    dispatcher = Dispatcher(WebhookSetup(str(database), endpoints), said.take)
    thread = threading.Thread(target=dispatcher.run)
    thread.start()
    if fresh:
        dispatcher.put(BEGIN)
        dispatcher.put(EventsReplayed())
    try:
        yield dispatcher, said
    finally:
        dispatcher.put(None)
        thread.join(10)


def wait(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    """Threads of ours have no event for what tests wait for."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def ids(seen: Receiver) -> list[int]:
    return [int(posted.id.split("-")[1]) for posted in seen.posted]


def test_events_are_posted_with_signatures_that_the_reference_library_accepts(
    tmp_path: Path,
) -> None:
    with receiver() as seen, dispatching(tmp_path / "q", endpoint(seen)) as (dispatcher, _):
        dispatcher.put(told(1, 2, 3))
        wait(lambda: len(seen.posted) == 3)
        assert sorted(ids(seen)) == [1, 2, 3]
        assert seen.unverified == []
        assert seen.posted[0].event["type"] == "test.tick"


def test_an_endpoint_is_told_what_it_wants(tmp_path: Path) -> None:
    with receiver() as seen:
        one = endpoint(seen, types=("wanted.*",), max_in_flight=1)
        with dispatching(tmp_path / "q", one) as (dispatcher, _):
            bodies = [happening(n, "wanted.x" if n == 3 else "other.x").body for n in (1, 2, 3, 4)]
            dispatcher.put(EventsTold(tuple(bodies)))
            dispatcher.put(EventsTold((happening(5, "wanted.y").body,)))
            wait(lambda: len(seen.posted) == 2)
            assert ids(seen) == [3, 5]


def test_what_fails_is_tried_again_with_the_same_id(tmp_path: Path) -> None:
    with receiver() as seen, dispatching(tmp_path / "q", endpoint(seen)) as (dispatcher, _):
        seen.answer = lambda _: (500 if len(seen.posted) < 4 else 204, {})
        dispatcher.put(told(7))
        wait(lambda: len(seen.posted) == 4)
        assert ids(seen) == [7, 7, 7, 7]
        assert len({str(posted.event) for posted in seen.posted}) == 1


def test_an_event_is_given_up_when_its_attempts_are_used_up(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (500, {})
        one = endpoint(seen, retry_s=(0.01, 0.01))
        with dispatching(tmp_path / "q", one) as (dispatcher, reports):
            dispatcher.put(told(1))
            wait(lambda: bool(reports) and reports[-1].endpoints[0].given_up == 1)
            assert ids(seen) == [1, 1, 1]
            assert reports[-1].endpoints[0].pending == 0
        log = DeliveryQueue(str(tmp_path / "q")).attempts("mine")
        assert [(a.attempt, a.status, a.outcome) for a in log] == [
            (3, 500, "given up"), (2, 500, "retry"), (1, 500, "retry"),
        ]  # fmt: skip


def test_what_was_not_delivered_is_delivered_by_a_successor(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (500, {})
        late = endpoint(seen, retry_s=(3_600.0,))
        with dispatching(tmp_path / "q", late) as (dispatcher, _):
            dispatcher.put(told(1, 2, 3))
            wait(lambda: len(seen.posted) == 3)
        queue = DeliveryQueue(str(tmp_path / "q"))
        assert queue.pending("mine") == 3
        queue._db.execute("UPDATE delivery SET due_utc = 0")
        queue.close()
        seen.answer = lambda _: (204, {})
        seen.posted.clear()
        with dispatching(tmp_path / "q", late, fresh=False) as (dispatcher, _):
            # The log is told from its beginning: what was taken in is known.
            dispatcher.put(BEGIN)
            dispatcher.put(told(1, 2, 3, 4))
            dispatcher.put(EventsReplayed())
            wait(lambda: len(seen.posted) == 4)
            assert Counter(ids(seen)) == {1: 1, 2: 1, 3: 1, 4: 1}


def test_what_happened_before_there_was_a_webhook_is_not_posted(tmp_path: Path) -> None:
    with (
        receiver() as seen,
        dispatching(tmp_path / "q", endpoint(seen), fresh=False) as (dispatcher, _),
    ):
        dispatcher.put(EventsBegin(EPOCH, f"{EPOCH - 5}-0", {}, 1_000, 1 << 20, 1e9))
        dispatcher.put(EventsTold((happening(1, epoch=EPOCH - 5).body,)))
        for message in (told(1, 2), EventsReplayed(), told(3)):
            dispatcher.put(message)
        wait(lambda: len(seen.posted) == 3)
        assert sorted(posted.id for posted in seen.posted) == [f"{EPOCH}-{n}" for n in (1, 2, 3)]


def test_an_origin_that_is_killed_before_its_webhook_process_came_up_loses_no_event(
    tmp_path: Path,
) -> None:
    config = WebhookConfig("mine", "http://127.0.0.1:9/", (SECRET,))
    for epoch in (EPOCH, EPOCH + 9):  # two origins that start no process
        log = EventLog(EventId(EPOCH, 0), epoch)
        Webhooks([config], tmp_path, log, EventFeed(log), "info")
    with receiver() as seen:
        one = endpoint(seen, since=f"{EPOCH + 20}-0")
        with dispatching(tmp_path / DATABASE, one, fresh=False) as (dispatcher, _):
            dispatcher.put(EventsBegin(EPOCH + 20, f"{EPOCH - 5}-0", {}, 1_000, 1 << 20, 1e9))
            for epoch in (EPOCH - 5, EPOCH, EPOCH + 9, EPOCH + 20):
                dispatcher.put(EventsTold((happening(1, epoch=epoch).body,)))
            wait(lambda: len(seen.posted) == 3)
        assert {posted.id for posted in seen.posted} == {
            f"{epoch}-1" for epoch in (EPOCH, EPOCH + 9, EPOCH + 20)
        }


def test_events_that_the_log_forgot_meanwhile_are_counted(tmp_path: Path) -> None:
    with receiver() as seen:
        with dispatching(tmp_path / "q", endpoint(seen)) as (dispatcher, _):
            dispatcher.put(told(1))
            wait(lambda: len(seen.posted) == 1)
        with dispatching(tmp_path / "q", endpoint(seen), fresh=False) as (dispatcher, reports):
            dispatcher.put(EventsBegin(EPOCH, f"{EPOCH}-50", {}, 10, 1 << 20, 1e9))
            dispatcher.put(told(51))
            wait(lambda: bool(reports) and reports[-1].missed == 1)


@pytest.mark.parametrize(
    ("types", "forgotten", "missed"),
    [
        ((), "chat", 1),
        ((), "segment.ready", 0),
        (("test.*",), "chat", 0),
        (("test.*", "session.*"), "chat", 0),
        (("test.*", "segment.*"), "segment.ready", 1),
    ],
)
def test_what_the_log_forgot_is_counted_where_it_is_wanted(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    types: tuple[str, ...],
    forgotten: str,
    missed: int,
) -> None:
    monkeypatch.setattr(module, "REPORT_S", 0.05)
    at = {forgotten: f"{EPOCH}-50"}
    begin = EventsBegin(EPOCH, f"{EPOCH}-0", {}, 10, 1 << 20, 1e9, at)
    with receiver() as seen:
        one = endpoint(seen, types=types)
        with dispatching(tmp_path / "q", one) as (dispatcher, _):
            dispatcher.put(told(1))
            wait(lambda: len(seen.posted) == 1)
        with dispatching(tmp_path / "q", one, fresh=False) as (dispatcher, reports):
            dispatcher.put(begin)
            dispatcher.put(told(2))
            # The first may come again: its answer may not have been judged before the end.
            wait(lambda: 2 in ids(seen))
            earlier = len(reports)
            wait(lambda: len(reports) > earlier)
            assert reports[-1].missed == missed


def test_gone_ends_an_endpoint_until_it_is_enabled(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (410, {})
        one = endpoint(seen, max_in_flight=1)
        with dispatching(tmp_path / "q", one) as (dispatcher, reports):
            dispatcher.put(told(1, 2, 3))
            wait(lambda: bool(reports) and reports[-1].endpoints[0].disabled)
            assert ids(seen) == [1]
        seen.answer = lambda _: (204, {})
        with dispatching(tmp_path / "q", one) as (dispatcher, said):
            dispatcher.put(told(4))
            dispatcher.put(Replay(1, "mine", (happening(1).body,)))
            dispatcher.put(Enable(2, "mine"))
            dispatcher.put(told(5))
            wait(lambda: len(seen.posted) == 2)
            assert ids(seen) == [1, 5]
            assert [(a.id, a.status) for a in said.answers] == [(1, 409), (2, 200)]


def test_a_receiver_that_is_too_busy_is_let_alone_altogether(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (503, {"Retry-After": "1"}) if len(seen.posted) == 1 else (204, {})
        one = endpoint(seen, max_in_flight=1)
        with dispatching(tmp_path / "q", one) as (dispatcher, _):
            dispatcher.put(told(1, 2, 3))
            wait(lambda: len(seen.posted) == 4)
            assert seen.posted[1].at - seen.posted[0].at >= 0.9


def test_a_slow_receiver_holds_no_other_up_and_has_few_posts_at_once(tmp_path: Path) -> None:
    with receiver() as slow, receiver() as quick:
        slow.delay_s = 0.2
        ends = endpoint(slow, max_in_flight=2), endpoint(quick, name="other")
        with dispatching(tmp_path / "q", *ends) as (dispatcher, _):
            dispatcher.put(told(*range(1, 21)))
            wait(lambda: len(quick.posted) == 20)
            assert len(slow.posted) < 20
            wait(lambda: len(slow.posted) == 20)
        assert slow.most_at_once == 2


def test_one_post_at_a_time_keeps_the_order_until_the_first_failure(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda webhook_id: (500 if len(seen.posted) == 31 else 204, {})
        one = endpoint(seen, max_in_flight=1, retry_s=(0.3,))
        with dispatching(tmp_path / "q", one) as (dispatcher, _):
            for first in range(1, 60, 7):
                dispatcher.put(told(*range(first, first + 7)))
            wait(lambda: len(seen.posted) == 64)
        assert ids(seen)[:31] == list(range(1, 32))
        assert sorted(ids(seen)[31:]) == list(range(31, 64)), "the one that failed comes later"
        assert seen.most_at_once == 1


def test_an_endpoint_that_is_configured_no_more_leaves_nothing(tmp_path: Path) -> None:
    with receiver() as seen:
        seen.answer = lambda _: (500, {})
        with dispatching(tmp_path / "q", endpoint(seen, retry_s=(99.0,))) as (dispatcher, _):
            dispatcher.put(told(1))
            wait(lambda: len(seen.posted) == 1)
        with dispatching(tmp_path / "q", endpoint(seen, name="new")):
            pass
        assert DeliveryQueue(str(tmp_path / "q")).pending("mine") == 0
