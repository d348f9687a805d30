"""Who is on air: stalls, returns, the slate, and an operator's wish."""

from __future__ import annotations

import itertools

import pytest

from segmenter.errors import UsageError
from segmenter.media import Sample
from segmenter.timeline import RTMP_CLOCK
from streaming.on_air import _TRANSITIONS, OnAir, OnAirPolicy, Switch, Why
from streaming.publisher_slot import Rank, Slot
from tests.segmenter.stage import AUDIO, SOURCE
from tests.streaming.test_path import FakePublisher

NOW = 1_700_000_000.0
FRAME_S = 0.1


class Studio:
    """Publishers of ten frames and one key frame each second, unless they are told to be silent."""

    def __init__(self, **policy: float | bool) -> None:
        self.now = NOW
        self.on_air = OnAir(OnAirPolicy(**policy), NOW)  # type: ignore[arg-type]
        self.switches: list[Switch] = []
        self.silent: set[Rank] = set()
        self.frames = 0

    def come(self, rank: Rank) -> Slot:
        slot = Slot(FakePublisher(), f"host-{rank.value}", "rtmp", rank, self.now)
        slot.set_tracks([SOURCE, AUDIO], RTMP_CLOCK)
        self.note(self.on_air.join(slot, self.now))
        return slot

    def leave(self, rank: Rank) -> None:
        slot = self.on_air.holder(rank)
        assert slot is not None
        self.note(self.on_air.leave(slot, "connection lost", self.now))

    def choose(self, rank: Rank | None) -> None:
        self.on_air.choose(rank)
        self.note(self.on_air.handle_timer(self.now))

    def add_slate(self) -> None:
        slate = Slot(FakePublisher(), "", "slate", Rank.SLATE, self.now)
        self.note(self.on_air.set_slate(slate, self.now))

    def run(self, seconds: float) -> None:
        for _ in range(round(seconds / FRAME_S)):
            self.now += FRAME_S
            self.frames += 1
            for slot in self.on_air.publishers:
                if slot.rank not in self.silent:
                    self.deliver(slot)
            self.note(self.on_air.handle_timer(self.now))

    def deliver(self, slot: Slot) -> None:
        sample = Sample("source", 0, 0, b"frame", self.frames % 10 == 0)
        slot.note([sample], self.now)
        if slot is not self.on_air.current and slot.keep(sample, self.now):
            self.note(self.on_air.take_entry(slot, self.now))

    def note(self, switch: Switch | None) -> None:
        if switch is not None:
            self.switches.append(switch)

    @property
    def rank(self) -> Rank | None:
        return self.on_air.current.rank if self.on_air.current else None

    def forget(self) -> None:
        self.switches = []

    def only_switch(self) -> tuple[Rank | None, Why, float]:
        """To whom, why, and when, seconds since NOW."""
        [switch] = self.switches
        return (
            switch.slot.rank if switch.slot else None,
            switch.why,
            round(switch.at_utc - NOW, 1),
        )


def both(**policy: float | bool) -> Studio:
    """A primary on air and a backup that delivers, for five seconds."""
    studio = Studio(**policy)
    studio.come(Rank.PRIMARY)
    studio.come(Rank.BACKUP)
    studio.run(5)
    assert studio.only_switch() == (Rank.PRIMARY, Why.CAME, 0.0)
    studio.forget()
    return studio


def test_the_first_publisher_is_on_air_before_it_says_anything() -> None:
    studio = Studio()
    studio.come(Rank.BACKUP)
    assert studio.rank is Rank.BACKUP


def test_a_primary_goes_before_a_backup_that_has_not_said_anything() -> None:
    studio = Studio()
    studio.come(Rank.BACKUP)
    studio.come(Rank.PRIMARY)
    assert studio.rank is Rank.PRIMARY


def test_a_backup_replaces_a_primary_that_has_gone_at_once() -> None:
    studio = both()
    studio.leave(Rank.PRIMARY)
    assert studio.only_switch() == (Rank.BACKUP, Why.GONE, 5.0)
    assert studio.switches[0].is_urgent


def test_a_backup_replaces_a_primary_that_is_silent_within_two_seconds() -> None:
    studio = both()
    studio.silent.add(Rank.PRIMARY)
    studio.run(4)
    rank, why, at_s = studio.only_switch()
    assert (rank, why) == (Rank.BACKUP, Why.STALLED)
    assert at_s - 5.0 <= 2.0
    assert studio.on_air.statistics(studio.now).stalls == 1


def test_sound_alone_does_not_hide_that_the_picture_stands() -> None:
    studio = both()
    studio.silent.add(Rank.PRIMARY)
    slot = studio.on_air.holder(Rank.PRIMARY)
    assert slot is not None
    for _ in range(20):
        studio.run(0.1)
        slot.note([Sample("audio", 0, 0, b"", True)], studio.now)
    assert studio.rank is Rank.BACKUP


def test_a_primary_that_returns_is_on_air_after_ten_steady_seconds_at_its_key_frame() -> None:
    studio = both()
    studio.leave(Rank.PRIMARY)
    studio.run(2.5)
    studio.forget()
    studio.come(Rank.PRIMARY)
    studio.run(12)
    rank, why, at_s = studio.only_switch()
    assert (rank, why) == (Rank.PRIMARY, Why.RETURNED)
    assert at_s == 18.0, "10 s after 7.5, at the next whole second"
    assert not studio.switches[0].is_urgent


def test_a_primary_that_stalls_again_and_again_stays_off_air() -> None:
    studio = both()
    for _ in range(10):
        studio.silent.add(Rank.PRIMARY)
        studio.run(2)
        studio.silent.clear()
        studio.run(8)
    assert studio.only_switch()[0] is Rank.BACKUP


def test_a_primary_returns_by_hand_where_the_policy_says_so() -> None:
    studio = both(returns=False)
    studio.leave(Rank.PRIMARY)
    studio.come(Rank.PRIMARY)
    studio.run(60)
    assert studio.rank is Rank.BACKUP
    studio.choose(Rank.PRIMARY)
    studio.run(1)
    assert studio.rank is Rank.PRIMARY


def test_a_primary_returns_by_itself_when_the_backup_fails_whatever_the_policy() -> None:
    studio = both(returns=False)
    studio.leave(Rank.PRIMARY)
    studio.come(Rank.PRIMARY)
    studio.run(3)
    studio.leave(Rank.BACKUP)
    assert studio.rank is Rank.PRIMARY


def test_a_chosen_backup_stays_until_the_wish_is_taken_back() -> None:
    studio = both()
    studio.choose(Rank.BACKUP)
    studio.run(30)
    assert studio.only_switch()[:2] == (Rank.BACKUP, Why.CHOSEN)
    studio.choose(None)
    studio.run(1)
    assert studio.rank is Rank.PRIMARY


def test_a_chosen_publisher_that_fails_is_replaced_all_the_same() -> None:
    studio = both()
    studio.choose(Rank.BACKUP)
    studio.run(2)
    studio.leave(Rank.BACKUP)
    assert studio.rank is Rank.PRIMARY


def test_a_stalled_publisher_stays_where_nobody_else_delivers() -> None:
    studio = both()
    studio.silent = {Rank.PRIMARY, Rank.BACKUP}
    studio.run(10)
    assert studio.rank is Rank.PRIMARY
    studio.silent = {Rank.PRIMARY}
    studio.run(1)
    assert studio.only_switch()[:2] == (Rank.BACKUP, Why.STALLED)


def test_a_stall_counts_also_when_the_backup_comes_before_the_timer() -> None:
    studio = both()
    studio.silent = {Rank.PRIMARY, Rank.BACKUP}
    studio.run(1.4)
    backup = studio.on_air.holder(Rank.BACKUP)
    assert backup is not None
    studio.now += 0.2
    studio.frames = 10
    studio.deliver(backup)
    assert studio.rank is Rank.BACKUP
    assert studio.on_air.statistics(studio.now).stalls == 1


def test_we_that_stood_still_do_not_blame_the_publisher() -> None:
    studio = both()
    studio.now += 5
    studio.note(studio.on_air.handle_timer(studio.now))
    studio.run(5)
    assert studio.switches == []
    assert studio.on_air.statistics(studio.now).stalls == 0


def test_we_that_stood_still_do_not_blame_the_publisher_for_being_read_second() -> None:
    studio = both()
    backup = studio.on_air.holder(Rank.BACKUP)
    assert backup is not None
    studio.now += 5
    studio.frames = 10
    studio.deliver(backup)
    assert studio.switches == []
    studio.run(5)
    assert studio.switches == []


def test_a_publisher_that_stays_silent_after_we_stood_still_has_stalled() -> None:
    studio = both()
    studio.silent.add(Rank.PRIMARY)
    studio.now += 5
    studio.run(1)
    assert studio.rank is Rank.BACKUP


def test_one_stall_counts_once() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.run(2)
    studio.silent.add(Rank.PRIMARY)
    studio.run(30)
    studio.silent.clear()
    studio.run(1)
    assert studio.on_air.statistics(studio.now).stalls == 1


def test_take_over_within_a_rank_is_no_switch_unless_the_new_one_is_silent() -> None:
    studio = both()
    old = studio.on_air.holder(Rank.PRIMARY)
    assert old is not None
    new = Slot(FakePublisher(), "again", "rtmp", Rank.PRIMARY, studio.now)
    new.set_tracks([SOURCE], RTMP_CLOCK)
    studio.on_air.replace(old, new)
    studio.run(1)
    assert studio.switches == []
    studio.silent.add(Rank.PRIMARY)
    studio.run(2)
    assert studio.rank is Rank.BACKUP


def test_a_slate_covers_for_a_publisher_that_has_gone() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.add_slate()
    studio.run(5)
    studio.leave(Rank.PRIMARY)
    studio.forget()
    studio.run(3)
    rank, why, at_s = studio.only_switch()
    assert (rank, why) == (Rank.SLATE, Why.ABSENT)
    assert 5.3 <= at_s <= 5.4


def test_a_slate_covers_for_a_publisher_that_is_connected_and_silent() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.add_slate()
    studio.run(5)
    studio.silent.add(Rank.PRIMARY)
    studio.forget()
    studio.run(4)
    rank, why, at_s = studio.only_switch()
    assert (rank, why) == (Rank.SLATE, Why.STALLED)
    assert at_s - 5.0 <= 2.0


def test_a_publisher_takes_over_from_the_slate_with_its_first_key_frame() -> None:
    studio = Studio()
    studio.add_slate()
    studio.run(3.5)
    studio.come(Rank.PRIMARY)
    assert studio.rank is Rank.SLATE
    studio.forget()
    studio.run(2)
    assert studio.only_switch() == (Rank.PRIMARY, Why.CAME, 4.0)


def test_a_backup_goes_before_the_slate() -> None:
    studio = both()
    studio.add_slate()
    studio.silent.add(Rank.PRIMARY)
    studio.run(5)
    assert studio.only_switch()[0] is Rank.BACKUP


def test_a_chosen_slate_comes_at_once_and_the_publisher_back_at_its_key_frame() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.add_slate()
    studio.run(5)
    studio.forget()
    studio.choose(Rank.SLATE)
    assert studio.only_switch() == (Rank.SLATE, Why.CHOSEN, 5.0)
    studio.run(20.5)
    studio.forget()
    studio.choose(None)
    studio.run(2)
    assert studio.only_switch() == (Rank.PRIMARY, Why.CAME, 26.0)


def test_a_chosen_slate_that_is_not_there_yet_comes_when_it_is() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.choose(Rank.SLATE)
    studio.run(2)
    assert studio.rank is Rank.PRIMARY
    studio.add_slate()
    studio.run(0.1)
    assert studio.rank is Rank.SLATE


def test_switches_are_counted_where_somebody_else_is_seen() -> None:
    studio = Studio()
    studio.come(Rank.PRIMARY)
    studio.run(2)
    studio.leave(Rank.PRIMARY)
    studio.come(Rank.PRIMARY)
    studio.run(2)
    assert studio.on_air.statistics(studio.now).switches == 0, "the same rank again"
    studio.add_slate()
    studio.leave(Rank.PRIMARY)
    studio.run(1)
    studio.come(Rank.BACKUP)
    studio.run(1)
    seen = studio.on_air.statistics(studio.now)
    assert seen.switches == 2
    assert (seen.on_air, seen.publishers[0].rank) == ("backup", "backup")


def test_every_other_transition_is_a_mistake_of_ours() -> None:
    ranks = (None, *Rank)
    for old, new, why in itertools.product(ranks, ranks, Why):
        if why in _TRANSITIONS.get((old, new), ()):
            continue
        on_air = OnAir(OnAirPolicy(), NOW)
        slots = {rank: Slot(FakePublisher(), "", "", rank, NOW) for rank in Rank}
        on_air.current = slots[old] if old else None
        with pytest.raises(UsageError):
            on_air._switch(slots[new] if new else None, why, "", NOW)
