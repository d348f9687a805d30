"""The webhook process's own thread: takes events in, hands deliveries to senders, judges answers.

Everything waits in one inbox: events and requests from the link, answers from the senders. What an
inbox-full changes is committed at once, before anything new is sent or answered.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final

from streaming.events.event import EventId, LoggedEvent, parse_id, read_event
from streaming.events.event_messages import EventsBegin, EventsTold
from streaming.webhooks.messages import (
    Enable,
    Endpoint,
    FindAttempts,
    FromWebhooks,
    Replay,
    SetEndpoints,
    WebhookAnswer,
    WebhookReport,
    WebhookSetup,
)
from streaming.webhooks.payload import render_payload
from streaming.webhooks.post import post
from streaming.webhooks.queue import AttemptRecord, Delivery, DeliveryQueue
from streaming.webhooks.signature import sign
from streaming.webhooks.target import Target
from streaming.webhooks.verdict import Answer, Outcome, judge

logger = logging.getLogger(__name__)

REPORT_S: Final = 1.0
Sender = Callable[[Endpoint, dict[str, str], bytes], Answer]


@dataclass(frozen=True, slots=True)
class _Result:
    delivery: Delivery
    answer: Answer
    began_utc: float
    took_s: float


class Dispatcher:
    """Owns the queue; `run` is its thread, `put` may be called from any other."""

    def __init__(
        self,
        setup: WebhookSetup,
        say: Callable[[FromWebhooks], None],
        *,
        send: Sender | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._setup = setup
        self._say = say
        self._send = send or send_over_http
        self._clock = clock
        self._inbox: SimpleQueue[Any] = SimpleQueue()
        self._targets: dict[str, Target] = {}
        self._position: EventId | None = None
        self._answers: list[WebhookAnswer] = []
        self._missed = 0
        self._reported_at = 0.0

    def put(self, item: Any) -> None:
        """A message from the link; None ends the thread."""
        self._inbox.put(item)

    def run(self) -> None:
        """Until None was put. Raises sqlite3.Error when the database fails."""
        queue = DeliveryQueue(self._setup.database)
        self._open(queue)
        while self._turn(queue):
            self._send_due(queue)
            self._tell(queue)
        queue.close()

    def _open(self, queue: DeliveryQueue) -> None:
        self._position = queue.position
        self._set_endpoints(queue, self._setup.endpoints)
        queue.commit()

    def _set_endpoints(self, queue: DeliveryQueue, endpoints: Sequence[Endpoint]) -> None:
        names = [endpoint.name for endpoint in endpoints]
        queue.forget_others(names)
        for name in self._targets.keys() - set(names):
            self._targets.pop(name).close()
        for endpoint in endpoints:
            self._set_endpoint(queue, endpoint)

    def _set_endpoint(self, queue: DeliveryQueue, endpoint: Endpoint) -> None:
        name, target = endpoint.name, self._targets.get(endpoint.name)
        if target is None:
            since = queue.begin(name, parse_id(endpoint.since) or EventId(0, 0))
            is_disabled = queue.is_disabled(name)
            self._targets[name] = Target(endpoint, since, disabled=is_disabled)
        elif endpoint != target.endpoint and target.change(endpoint) and target.disabled:
            self._enable(queue, name)

    def _enable(self, queue: DeliveryQueue, name: str) -> None:
        queue.set_disabled(name, disabled=False)
        self._targets[name].disabled = False
        logger.info("webhook %s: told again", name)

    def _turn(self, queue: DeliveryQueue) -> bool:
        """Takes everything that waits; False at the end."""
        try:
            item = self._inbox.get(timeout=self._patience_s(queue))
        except Empty:
            return True
        while True:
            if item is None:
                return False
            self._take(queue, item)
            try:
                item = self._inbox.get_nowait()
            except Empty:
                queue.commit()
                answers, self._answers = self._answers, []
                for answer in answers:  # whose work outlives the process by now
                    self._say(answer)
                return True

    def _patience_s(self, queue: DeliveryQueue) -> float:
        now = self._clock()
        moments = [now + REPORT_S]
        for name, target in self._targets.items():
            due = queue.next_due_utc(name, now)
            if due is not None:
                moments.append(max(due, target.paused_until_utc))
            elif target.paused_until_utc > now:
                moments.append(target.paused_until_utc)
        return max(0.001, min(moments) - now)

    def _take(self, queue: DeliveryQueue, item: Any) -> None:
        match item:
            case EventsTold():
                self._take_in(queue, [read_event(body) for body in item.bodies])
            case EventsBegin():
                self._begin(item)
            case _Result():
                self._judge(queue, item)
            case SetEndpoints():
                self._set_endpoints(queue, item.endpoints)
            case Enable() | Replay() | FindAttempts():
                self._answers.append(self._answer(queue, item))

    # -- taking in ---------------------------------------------------------------------------

    def _begin(self, message: EventsBegin) -> None:
        if self._position is None:
            # What happened before there were webhooks is nobody's business. They may have been
            # there for longer than any process that came to take something in.
            begun = [one.since for one in self._targets.values() if one.since.epoch]
            self._position = min(begun, default=EventId(message.epoch, 0))
        floor, forgotten = parse_id(message.floor), message.forgotten_ids()
        if floor is not None and self._position < floor:
            self._miss("events", floor)
            return
        targets = self._targets.values()
        missed = {kind for target in targets for kind in target.misses(self._position, forgotten)}
        if missed:
            self._miss(", ".join(sorted(missed)), max(forgotten[kind] for kind in missed))

    def _miss(self, what: str, floor: EventId) -> None:
        self._missed += 1
        logger.warning(
            "webhooks: %s between %s and %s were forgotten before they were taken in",
            what,
            self._position,
            floor,
        )

    def _take_in(self, queue: DeliveryQueue, events: list[LoggedEvent]) -> None:
        position = self._position
        new = [event for event in events if position is None or event.id > position]
        if not new:
            return
        for name, target in self._targets.items():
            if not target.disabled:
                wanted = [event for event in new if target.wants(event)]
                queue.add(name, wanted, self._clock())
                target.given_up += queue.shed(name) if wanted else 0
        self._position = queue.position = new[-1].id

    # -- delivering --------------------------------------------------------------------------

    def _send_due(self, queue: DeliveryQueue) -> None:
        now = self._clock()
        for name, target in self._targets.items():
            free = target.endpoint.max_in_flight - len(target.in_flight)
            if free <= 0 or target.disabled or target.paused_until_utc > now:
                continue
            for delivery in queue.due(name, now, free, target.in_flight):
                target.in_flight.add(delivery.number)
                target.pool.submit(self._attempt, target.endpoint, delivery)

    def _attempt(self, endpoint: Endpoint, delivery: Delivery) -> None:
        """In a sender's thread."""
        began_utc, began = self._clock(), time.monotonic()
        try:
            body = render_payload(delivery.body)
            timestamp = int(began_utc)
            headers = {
                "webhook-id": delivery.event_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": sign(endpoint.secrets, delivery.event_id, timestamp, body),
            }
            answer = self._send(endpoint, headers, body)
        except Exception as error:
            logger.exception("webhook %s: an attempt failed", endpoint.name)
            answer = Answer(0, error=type(error).__name__)
        self.put(_Result(delivery, answer, began_utc, time.monotonic() - began))

    def _judge(self, queue: DeliveryQueue, result: _Result) -> None:
        delivery, answer, now = result.delivery, result.answer, self._clock()
        target = self._targets.get(delivery.endpoint)
        if target is None:  # it has been removed meanwhile
            return
        target.in_flight.discard(delivery.number)
        target.last = answer
        attempt = delivery.attempts + 1
        chance = random.random()
        verdict = judge(answer, attempt, target.endpoint.retry_s, now, chance)
        match verdict.outcome:
            case Outcome.DELIVERED:
                target.delivered += 1
                queue.done(delivery)
            case Outcome.RETRY:
                target.failed_attempts += 1
                queue.put_off(delivery, now + verdict.retry_in_s)
                target.paused_until_utc = max(target.paused_until_utc, now + verdict.pause_s)
            case Outcome.GIVEN_UP:
                target.failed_attempts += 1
                target.given_up += 1
                queue.done(delivery)
                logger.warning("webhook %s: %s given up", delivery.endpoint, delivery.event_id)
            case Outcome.DISABLED:
                target.failed_attempts += 1
                target.disabled = True
                queue.set_disabled(delivery.endpoint, disabled=True)
                logger.warning("webhook %s: disabled by its receiver (410)", delivery.endpoint)
        queue.record(
            AttemptRecord(
                delivery.endpoint,
                delivery.event_id,
                result.began_utc,
                attempt,
                answer.status,
                answer.error,
                result.took_s,
                verdict.outcome.value,
            )
        )

    # -- being asked -------------------------------------------------------------------------

    def _answer(self, queue: DeliveryQueue, asked: Enable | Replay | FindAttempts) -> WebhookAnswer:
        name, target = asked.endpoint, self._targets.get(asked.endpoint)
        if target is None:
            return WebhookAnswer(asked.id, 404, detail=f"there is no webhook {name}")
        match asked:
            case Enable():
                if target.disabled:
                    self._enable(queue, name)
                target.paused_until_utc = 0.0
                return WebhookAnswer(asked.id, 200, {"name": name, "disabled": False})
            case Replay():
                if target.disabled:
                    detail = f"{name} wants no more (410); enable it first"
                    return WebhookAnswer(asked.id, 409, detail=detail)
                events = [read_event(body) for body in asked.bodies]
                queue.add(name, events, self._clock(), again=True)
                return WebhookAnswer(asked.id, 200, {"replayed": len(events)})
            case FindAttempts():
                found = queue.attempts(
                    name, asked.most, before=asked.before, event=asked.event, outcome=asked.outcome
                )
                return WebhookAnswer(asked.id, 200, [asdict(one) for one in found])

    def _tell(self, queue: DeliveryQueue) -> None:
        now = time.monotonic()
        if now - self._reported_at < REPORT_S:
            return
        self._reported_at = now
        records = tuple(
            target.record(queue.pending(name)) for name, target in self._targets.items()
        )
        self._say(WebhookReport(records, self._missed))


def send_over_http(endpoint: Endpoint, headers: dict[str, str], body: bytes) -> Answer:
    """One attempt for real."""
    return post(
        endpoint.url, headers, body, endpoint.timeout_s, allow_private=endpoint.allow_private
    )
