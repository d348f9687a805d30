"""The life of a path: each drawn edge is gone along, and nothing leads along any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from segmenter.errors import UsageError
from segmenter.media import Sample
from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.lifecycle import FAILING_AFTER, OPEN_S, VERSIONS_PER_S, Lifecycle, Work
from streaming.path import Path
from streaming.path_state import TRANSITIONS, UNCHANGED, Cause, PathState, StateChange
from streaming.publisher_slot import Rank, Slot
from tests.streaming.test_path import VIDEO, FakePublisher, RecordingReader
from tests.streaming.test_path_on_air import slate

NOW = 1_800_000_000.0
LINGER_S = 5.0
EDGES = [(cause, old) for cause, edges in TRANSITIONS.items() for old in edges]


class SlowReader(RecordingReader):
    """A reader that may still have something to bring."""

    drained = True

    def is_drained(self, now_utc: float) -> bool:
        return self.drained


class Life:
    """A path by its own clock, and a way into each of its states."""

    def __init__(self, **config: object) -> None:
        self.now = NOW
        self.changes: list[StateChange] = []
        settings = PathConfig(linger_s=LINGER_S, **config)  # type: ignore[arg-type]
        self.path = Path("live/a", settings, NOW, self.changes.append)
        self.reader = SlowReader()
        self.path.readers.append(self.reader)
        self.lifecycle = self.path.lifecycle
        self.slots: list[Slot] = []
        self.stamp_ms = 0

    # -- what may happen ---------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.now += 0.25
            self.path.handle_timer(self.now)
            self.path.run_slate(self.now)
            self.lifecycle.source_work(self.now)

    def come(self, rank: Rank = Rank.PRIMARY) -> None:
        self.slots.append(self.path.occupy(FakePublisher(), "192.0.2.1:5", "rtmp", self.now, rank))

    def tell_tracks(self) -> None:
        if self.slots:
            self.path.set_tracks(self.slots[-1], [VIDEO], RTMP_CLOCK, self.now)

    def send(self, frames: int = 3) -> None:
        for n in range(frames if self.slots and self.slots[-1].tracks else 0):
            self.stamp_ms += 40
            sample = Sample("source", self.stamp_ms, self.stamp_ms, b"frame", n == 0)
            self.path.write(self.slots[-1], [sample], self.now)

    def publish(self) -> None:
        self.come()
        self.tell_tracks()
        self.send()

    def leave(self) -> None:
        if self.slots:
            self.path.leave(self.slots.pop(), "connection lost", self.now)

    def reject(self) -> None:
        if self.slots:
            self.path.reject(self.slots.pop(), "what it sent cannot be", self.now)

    def kick(self) -> None:
        self.slots.clear()
        self.path.kick("code", "closed by the operator", self.now)

    def degrade(self, degraded: bool = True) -> None:
        self.path.set_degraded(degraded, "too slow", self.now)

    def ask(self) -> None:
        self.lifecycle.ask("rtmp", self.now)

    def answer(self) -> None:
        self.lifecycle.answered(self.now)

    def want_source(self) -> None:
        self.lifecycle.want_source(self.now)

    def fail_source(self) -> None:
        for _ in range(FAILING_AFTER):
            self.lifecycle.source_failed(0.1, self.now)

    def drop_source(self) -> None:
        self.lifecycle.drop_source("", self.now)

    def cover(self) -> None:
        self.path.set_slate(slate(), self.now)
        self.path.choose(Rank.SLATE, self.now)

    def uncover(self) -> None:
        self.path.choose(None, self.now)
        self.path.set_slate(None, self.now)

    def drain(self) -> None:
        self.reader.drained = True
        self.path.handle_timer(self.now)

    # -- the way into each state -------------------------------------------------------------

    def reach(self, state: PathState) -> None:
        for step in _WAYS[state](self):
            step()
        assert self.path.state is state

    def fill_encoders(self) -> None:
        self.reader.drained = False


_S, _C = PathState, Cause
_WAYS: dict[PathState, Callable[[Life], list[Callable[[], object]]]] = {
    _S.IDLE: lambda x: [],
    _S.AUTHORIZING: lambda x: [x.ask],
    _S.CONNECTING: lambda x: [x.want_source],
    _S.PROBING: lambda x: [x.come],
    _S.STARTING: lambda x: [x.come, x.tell_tracks],
    _S.LIVE: lambda x: [x.publish],
    _S.DEGRADED: lambda x: [x.publish, x.degrade],
    _S.STALLED: lambda x: [x.publish, lambda: x.pass_time(2)],
    _S.RECONNECTING: lambda x: [x.publish, x.leave],
    _S.SLATE: lambda x: [x.publish, x.leave, x.cover, lambda: x.path.choose(None, x.now)],
    _S.ENDING: lambda x: [x.publish, x.leave, x.fill_encoders, lambda: x.pass_time(LINGER_S)],
    _S.ENDED: lambda x: [x.publish, x.leave, lambda: x.pass_time(LINGER_S)],
    _S.FAILED: lambda x: [x.want_source, x.fail_source],
}
_DEEDS: dict[Cause, Callable[[Life], list[Callable[[], object]]]] = {
    _C.PUBLISHER_ASKS: lambda x: [x.ask],
    _C.PUBLISHER_REFUSED: lambda x: [x.answer],
    _C.SOURCE_WANTED: lambda x: [x.want_source],
    _C.SOURCE_DROPPED: lambda x: [x.drop_source],
    _C.SOURCE_FAILING: lambda x: [x.want_source, x.fail_source, x.drain],
    _C.PUBLISHER_CONNECTED: lambda x: [x.come],
    _C.TRACKS_KNOWN: lambda x: [x.tell_tracks],
    _C.FIRST_SAMPLE: lambda x: [x.send] if x.slots else [x.publish],
    _C.ENCODER_BEHIND: lambda x: [x.degrade],
    _C.ENCODER_RECOVERED: lambda x: [lambda: x.degrade(False)],
    _C.PUBLISHER_SILENT: lambda x: [lambda: x.pass_time(2)],
    _C.PUBLISHER_RESUMED: lambda x: [x.send],
    _C.PUBLISHER_LEFT: lambda x: [x.leave],
    _C.PUBLISHER_REPLACED: lambda x: [x.come],
    _C.PUBLISHER_KICKED: lambda x: [x.kick],
    _C.PUBLISHER_EXPELLED: lambda x: [x.reject],
    _C.NOTHING_CAME: lambda x: [lambda: x.pass_time(61)],
    _C.SLATE_ON_AIR: lambda x: [x.cover],
    _C.SLATE_GONE: lambda x: [x.uncover],
    _C.RESTORED: lambda x: [lambda: x.path.restore(NOW - 3, x.now)],
    _C.NOBODY_CAME_BACK: lambda x: [lambda: x.pass_time(LINGER_S)],
    _C.DRAINED: lambda x: [x.drain],
}


@pytest.mark.parametrize(("cause", "old"), EDGES, ids=lambda one: one.value)
def test_each_drawn_edge_is_gone_along_by_a_path(cause: Cause, old: PathState) -> None:
    life = Life(slate_always=old is PathState.FAILED)
    life.reach(old)
    before = len(life.changes)
    for deed in _DEEDS[cause](life):
        deed()
    change = life.changes[before]
    assert (change.old, change.cause, change.new) == (old, cause, TRANSITIONS[cause][old])


def test_there_is_no_state_without_a_way_in_and_no_cause_without_an_edge() -> None:
    reached = {PathState.IDLE} | {new for edges in TRANSITIONS.values() for new in edges.values()}
    assert reached == set(PathState)
    assert set(TRANSITIONS) == set(Cause)
    for cause, unchanged in UNCHANGED.items():
        assert not unchanged & TRANSITIONS[cause].keys(), "either it leads on or it does not"


@given(st.lists(st.sampled_from(list(Cause)), max_size=60))
def test_a_cause_leads_where_it_is_drawn_or_nowhere(causes: list[Cause]) -> None:
    changes: list[StateChange] = []
    life = Lifecycle("live/a", NOW, changes.append)
    for second, cause in enumerate(causes):
        old, version = life.state, life.version
        try:
            has_changed = life.take(cause, "", NOW + second)
        except UsageError:
            has_changed = False
            assert old not in TRANSITIONS[cause]
            assert old not in UNCHANGED.get(cause, ())
        assert life.state is TRANSITIONS[cause].get(old, old)
        assert life.version == version + has_changed
    assert [change.version for change in changes] == list(
        range(life.version - len(changes) + 1, life.version + 1)
    )
    seen = life.statistics(NOW + len(causes))
    assert sum(seen.spent_s.values()) == pytest.approx(len(causes))
    assert sum(seen.entered.values()) == len(changes)


HAPPENINGS: list[Callable[[Life], object]] = [
    Life.come, lambda x: x.come(Rank.BACKUP), Life.tell_tracks, Life.send, Life.publish,
    Life.leave, Life.reject, Life.kick, Life.degrade, lambda x: x.degrade(False), Life.ask,
    Life.want_source, Life.fail_source, Life.drop_source, Life.cover, Life.uncover,
    Life.fill_encoders, Life.drain, lambda x: x.path.choose(Rank.BACKUP, x.now),
    lambda x: x.path.choose(None, x.now), lambda x: x.pass_time(0.5), lambda x: x.pass_time(2),
    lambda x: x.pass_time(LINGER_S), lambda x: x.pass_time(61),
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    happenings=st.lists(st.integers(0, len(HAPPENINGS) - 1), max_size=40),
    slate_always=st.booleans(),
)
def test_whatever_happens_to_a_path_it_keeps_to_what_is_drawn(
    happenings: list[int], slate_always: bool
) -> None:
    life = Life(slate_always=slate_always)
    asked = 0
    for number in happenings:
        HAPPENINGS[number](life)
        asked += HAPPENINGS[number] is Life.ask
    for _ in range(asked):
        life.answer()
    state = PathState.IDLE
    for change in life.changes:
        assert change.old is state
        assert TRANSITIONS[change.cause][state] is change.new
        state = change.new
    assert life.path.state is state is not PathState.AUTHORIZING


# -- the source --------------------------------------------------------------------------------


class Source:
    """A life whose source is watched."""

    def __init__(self) -> None:
        self.now = NOW
        self.changes: list[StateChange] = []
        self.life = Lifecycle("live/a", NOW, self.changes.append)

    def wait_opened(self, most_s: float = 100.0) -> float:
        """Seconds until it is to be opened."""
        began = self.now
        while self.now <= began + most_s:
            if self.life.source_work(self.now) is Work.OPEN:
                return self.now - began
            self.now += 0.25
        raise AssertionError("it is not opened")


def test_a_source_is_opened_at_once_and_ever_later_where_that_fails() -> None:
    source = Source()
    source.life.want_source(source.now)
    waits = [source.wait_opened()]
    for _ in range(8):
        source.life.source_failed(1.0, source.now)
        waits.append(source.wait_opened())
    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_a_path_whose_source_fails_again_and_again_has_failed_and_recovers() -> None:
    source = Source()
    source.life.want_source(source.now)
    for _ in range(FAILING_AFTER + 2):
        source.wait_opened()
        source.life.source_failed(1.0, source.now)
    assert source.life.state is PathState.FAILED
    source.wait_opened()
    source.life.take(Cause.PUBLISHER_CONNECTED, "", source.now)
    source.life.source_opened()
    assert not source.life.is_source_failing
    assert [change.cause for change in source.changes] == [
        Cause.SOURCE_WANTED, Cause.SOURCE_FAILING, Cause.PUBLISHER_CONNECTED,
    ]  # fmt: skip


def test_a_source_that_ran_for_long_is_opened_soon_again() -> None:
    source = Source()
    source.life.want_source(source.now)
    for _ in range(6):
        source.wait_opened()
        source.life.source_failed(1.0, source.now)
    source.wait_opened()
    source.life.source_opened()
    source.life.source_failed(3_600.0, source.now)
    assert source.wait_opened() == 0.5


def test_an_attempt_that_does_not_come_to_an_end_is_abandoned() -> None:
    source = Source()
    source.life.want_source(source.now)
    source.wait_opened()
    assert source.life.source_work(source.now + OPEN_S - 1) is None
    assert source.life.source_work(source.now + OPEN_S) is Work.ABANDON
    assert source.life.source_work(source.now + OPEN_S + 1) is None, "once"
    source.life.source_failed(OPEN_S, source.now + OPEN_S + 1)
    assert source.life.source_work(source.now + OPEN_S + 2) is Work.OPEN


def test_a_source_that_is_not_wanted_is_never_opened() -> None:
    source = Source()
    source.life.want_source(source.now)
    source.life.drop_source("the source has ended", source.now)
    source.life.source_failed(1.0, source.now)
    with pytest.raises(AssertionError, match="not opened"):
        source.wait_opened()
    assert source.life.state is PathState.IDLE


# -- versions ----------------------------------------------------------------------------------


def test_a_path_that_begins_anew_has_versions_above_all_it_ever_had() -> None:
    first = Lifecycle("live/a", NOW, lambda change: None)
    for n in range(100):
        first.take(Cause.SOURCE_WANTED, "", NOW + n)
        first.take(Cause.SOURCE_DROPPED, "", NOW + n)
    assert 100 * VERSIONS_PER_S > 200
    assert Lifecycle("live/a", NOW + 100, lambda change: None).version > first.version
