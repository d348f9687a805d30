"""A path with several publishers and a slate: what readers see at each switch."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest

from segmenter.media import Sample
from segmenter.timeline import RTMP_CLOCK
from streaming.config_paths import PathConfig
from streaming.errors import PublishRejected
from streaming.on_air import Switch
from streaming.path import Path
from streaming.path_state import PathState, StateChange
from streaming.publisher_slot import Rank, Slot
from streaming.slate.loop import SlateLoop, SlateStrip
from tests.streaming.test_path import NOW, VIDEO, FakePublisher, RecordingReader

FRAME_MS = 40
TICKS = 90_000


def slate() -> SlateLoop:
    frames = tuple((b"slate", number == 0) for number in range(50))
    return SlateLoop([SlateStrip(VIDEO, frames, Fraction(1, 25))])


class Encoder:
    """A publisher of 25 frames each second; a key frame each second, on a clock of its own."""

    def __init__(self, stage: Stage, rank: Rank, offset_ms: int = 0) -> None:
        self.publisher = FakePublisher()
        self.name = rank.value.encode()
        self.sent = 0
        self.is_silent = False
        self._stage = stage
        self._offset_ms = offset_ms
        self.slot: Slot = stage.path.occupy(
            self.publisher, f"host-{rank.value}", "rtmp", stage.now, rank
        )
        stage.path.set_tracks(self.slot, [VIDEO], RTMP_CLOCK, stage.now)

    def send(self) -> None:
        if not self.is_silent:
            stamp = self.sent * FRAME_MS + self._offset_ms
            sample = Sample("source", stamp, stamp, self.name, self.sent % 25 == 0)
            self._stage.path.write(self.slot, [sample], self._stage.now)
        self.sent += 1

    def vanish(self) -> None:
        self._stage.path.leave(self.slot, "connection lost", self._stage.now)
        self._stage.encoders.remove(self)


class Stage:
    """A path whose publishers, timers and slate all live by one clock."""

    def __init__(self, **settings: object) -> None:
        self.now = NOW
        self.changes: list[StateChange] = []
        self.switches: list[Switch] = []
        self.path = Path(
            "live/a",
            PathConfig(**settings),  # type: ignore[arg-type]
            NOW,
            self.changes.append,
            self.switches.append,
        )
        self.reader = RecordingReader()
        self.path.readers.append(self.reader)
        self.encoders: list[Encoder] = []

    def come(self, rank: Rank = Rank.PRIMARY, offset_ms: int = 0) -> Encoder:
        encoder = Encoder(self, rank, offset_ms)
        self.encoders.append(encoder)
        return encoder

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds * 25)):
            self.now += FRAME_MS / 1000
            for encoder in list(self.encoders):
                encoder.send()
            self.path.handle_timer(self.now)
            self.path.run_slate(self.now)

    @property
    def seen(self) -> list[bytes]:
        """Whose samples readers saw, runs made one."""
        names: list[bytes] = []
        for sample in self.reader.samples:
            if not names or names[-1] != sample.data:
                names.append(sample.data)
        return names

    def breaks(self) -> list[tuple[bytes, float, bool]]:
        """Each discontinuity: whose, seconds of media time between it and what was before, sync."""
        found = []
        for before, after in itertools.pairwise(self.reader.samples):
            if after.discontinuity:
                hole_s = (after.dts - before.dts) / TICKS - FRAME_MS / 1000
                found.append((after.data, round(hole_s, 2), after.is_sync))
        return found

    def assert_rising(self) -> None:
        times = [sample.dts for sample in self.reader.samples]
        assert all(a < b for a, b in itertools.pairwise(times))


def test_a_publisher_that_pauses_again_and_again_is_not_called_stalled_each_time() -> None:
    stage = Stage(stall_s=1.5)
    primary = stage.come()
    stage.run(2)
    for _ in range(20):
        primary.is_silent = True
        stage.run(2.5)
        primary.is_silent = False
        stage.run(0.5)
    assert [change.new for change in stage.changes].count(PathState.STALLED) == 1
    assert stage.path.state is PathState.LIVE
    primary.is_silent = True
    stage.run(11)
    assert stage.path.state is PathState.STALLED


def test_who_is_there_already_is_minded_by_a_new_stall_time() -> None:
    stage = Stage()
    primary, backup = stage.come(), stage.come(Rank.BACKUP)
    stage.run(3)
    assert stage.path.apply(PathConfig(stall_s=0.4))
    primary.is_silent = True
    stage.run(0.6)
    assert stage.switches[-1].slot is backup.slot
    stage.assert_rising()


def test_a_backup_that_is_off_air_is_read_and_not_heard() -> None:
    stage = Stage()
    stage.come()
    stage.come(Rank.BACKUP)
    stage.run(5)
    assert stage.seen == [b"primary"]
    assert stage.path.state is PathState.LIVE
    records = stage.path.statistics(stage.now).on_air.publishers
    assert [(r.rank, r.is_on_air, r.samples_in) for r in records] == [
        ("primary", True, 125),
        ("backup", False, 125),
    ]


@pytest.mark.parametrize("moment", [5.04, 5.36, 5.92])
def test_a_backup_fills_in_for_a_publisher_that_vanished_without_a_hole(moment: float) -> None:
    stage = Stage()
    primary = stage.come()
    stage.come(Rank.BACKUP, offset_ms=777_000)
    stage.run(moment)
    primary.vanish()
    stage.run(3)
    assert stage.seen == [b"primary", b"backup"]
    [(who, hole_s, is_sync)] = stage.breaks()
    assert (who, is_sync) == (b"backup", True)
    assert abs(hole_s) <= 0.1
    assert stage.path.state is PathState.LIVE
    assert len(stage.switches) == 2, "the coming of the first and the switch"
    stage.assert_rising()


def test_a_backup_fills_in_for_a_silent_publisher_from_where_media_ended() -> None:
    stage = Stage()
    primary = stage.come()
    stage.come(Rank.BACKUP)
    stage.run(5.4)
    primary.is_silent = True
    silent_since = stage.now
    stage.run(4)
    [(who, hole_s, _)] = stage.breaks()
    assert who == b"backup"
    assert hole_s <= 0.1
    assert stage.switches[-1].at_utc - silent_since <= 2.0
    stage.assert_rising()


def test_latency_grows_by_at_most_a_group_of_pictures_over_many_failures() -> None:
    stage = Stage(backup_return_s=1)
    stage.come(Rank.BACKUP)
    for _ in range(20):
        primary = stage.come()
        stage.run(4.52)
        primary.vanish()
        stage.run(2.2)
    ahead_s = stage.path.statistics(stage.now).timeline.ahead_s
    assert 0 <= ahead_s <= 4.0
    stage.assert_rising()


def test_the_primary_returns_at_a_key_frame_without_a_hole() -> None:
    stage = Stage(backup_return_s=3)
    primary = stage.come()
    stage.come(Rank.BACKUP)
    stage.run(3)
    primary.vanish()
    stage.run(2)
    stage.come()
    stage.run(8)
    assert stage.seen == [b"primary", b"backup", b"primary"]
    who, hole_s, is_sync = stage.breaks()[-1]
    assert (who, is_sync) == (b"primary", True)
    assert abs(hole_s) <= 0.1
    assert len(stage.breaks()) == 2
    assert stage.path.statistics(stage.now).on_air.switches == 2


def test_republish_policy_applies_to_each_rank() -> None:
    stage = Stage(republish="reject")
    stage.come()
    stage.come(Rank.BACKUP)
    with pytest.raises(PublishRejected, match="has a backup publisher already"):
        stage.come(Rank.BACKUP)


def test_a_backup_that_is_taken_over_off_air_is_told_and_nobody_notices() -> None:
    stage = Stage()
    stage.come()
    old = stage.come(Rank.BACKUP)
    stage.run(2)
    stage.encoders.remove(old)
    stage.come(Rank.BACKUP)
    stage.run(2)
    assert old.publisher.closed
    assert stage.seen == [b"primary"]
    assert stage.path.state is PathState.LIVE


def test_a_slate_keeps_the_timeline_running_while_the_publisher_is_away() -> None:
    stage = Stage(slate="card")
    primary = stage.come()
    stage.run(4)
    stage.path.set_slate(slate(), stage.now)
    primary.vanish()
    stage.run(5)
    assert stage.path.state is PathState.SLATE
    assert stage.seen == [b"primary", b"slate"]
    [(who, hole_s, is_sync)] = stage.breaks()
    assert (who, is_sync) == (b"slate", True)
    assert abs(hole_s) <= 0.05, "the slate begins where media ended, not when it was seen"
    newest = stage.reader.samples[-1].dts / TICKS
    assert stage.now - newest <= 2 * FRAME_MS / 1000, "at real time"
    stage.come()
    stage.run(1)
    assert stage.path.state is PathState.LIVE
    assert stage.seen == [b"primary", b"slate", b"primary"]
    assert len(stage.breaks()) == 2
    assert abs(stage.breaks()[-1][1]) <= 0.1
    stage.assert_rising()


def test_a_slate_ends_with_linger() -> None:
    stage = Stage(slate="card", linger_s=5)
    primary = stage.come()
    stage.run(2)
    stage.path.set_slate(slate(), stage.now)
    primary.vanish()
    stage.run(4.8)
    assert stage.path.state is PathState.SLATE
    stage.run(1)
    assert stage.path.state is PathState.ENDED
    assert stage.reader.seen[-1] == "end"
    stage.come()
    stage.run(1)
    assert stage.path.state is PathState.LIVE


def test_a_slate_that_is_always_there_comes_before_the_first_publisher_and_stays() -> None:
    stage = Stage(slate="card", slate_always=True, linger_s=1)
    stage.run(1)
    assert stage.path.state is PathState.IDLE
    stage.path.set_slate(slate(), stage.now)
    stage.run(5)
    assert stage.path.state is PathState.SLATE
    primary = stage.come()
    stage.run(2)
    primary.vanish()
    stage.run(30)
    assert stage.path.state is PathState.SLATE
    assert stage.seen == [b"slate", b"primary", b"slate"]


def test_a_slate_can_be_put_on_air_while_the_publisher_stays_connected() -> None:
    stage = Stage(slate="card", linger_s=1)
    primary = stage.come()
    stage.run(3)
    stage.path.set_slate(slate(), stage.now)
    stage.path.choose(Rank.SLATE, stage.now)
    assert stage.path.state is PathState.SLATE
    stage.run(10)
    assert stage.path.state is PathState.SLATE, "it does not end with linger"
    assert primary.publisher.closed == []
    stage.path.choose(None, stage.now)
    stage.run(1.2)
    assert stage.path.state is PathState.LIVE
    assert [round(hole_s, 1) for _, hole_s, _ in stage.breaks()] == [0.0, 0.0]


def test_a_new_slate_goes_on_in_the_place_of_the_old_one() -> None:
    stage = Stage(slate="card", slate_always=True)
    stage.path.set_slate(slate(), stage.now)
    stage.run(3)
    stage.path.set_slate(slate(), stage.now)
    stage.run(3)
    assert stage.path.state is PathState.SLATE
    assert len(stage.breaks()) == 1
    stage.assert_rising()


def test_a_path_without_its_slate_waits_for_publishers() -> None:
    stage = Stage(slate="card", slate_always=True)
    stage.path.set_slate(slate(), stage.now)
    stage.run(3)
    stage.path.set_slate(None, stage.now)
    assert stage.path.state is PathState.RECONNECTING
    stage.come()
    stage.run(1)
    assert stage.path.state is PathState.LIVE


def test_a_slate_begins_anew_after_the_machine_was_suspended() -> None:
    stage = Stage(slate="card", slate_always=True)
    stage.path.set_slate(slate(), stage.now)
    stage.run(3)
    before = len(stage.reader.samples)
    stage.now += 3600
    stage.run(1)
    assert len(stage.reader.samples) - before <= 26
    assert stage.reader.samples[-1].dts / TICKS == pytest.approx(stage.now, abs=0.2)


def test_closing_the_publishers_of_a_path_closes_them_all() -> None:
    stage = Stage()
    publishers = [stage.come().publisher, stage.come(Rank.BACKUP).publisher]
    stage.run(2)
    stage.path.kick("code", "closed by the operator", stage.now)
    assert [publisher.closed for publisher in publishers] == [
        [("code", "closed by the operator")],
        [("code", "closed by the operator")],
    ]
    assert stage.path.state is PathState.RECONNECTING
    assert not stage.path.has_publisher
