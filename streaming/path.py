"""A path: its publishers' slots, and one door for samples.

Its life is in streaming/lifecycle.py; which of several publishers is on air decides
streaming/on_air.py, what follows from that streaming/broadcast.py, and how it reaches readers
streaming/programme.py. Sans-IO: time arrives as an argument.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from segmenter.media import Sample, Track
from segmenter.timeline import SourceClock
from streaming.broadcast import Broadcast
from streaming.byte_rate import ByteRate
from streaming.config_paths import PathConfig, settings_at_once
from streaming.errors import PublishRejected
from streaming.ingest.source import Publisher
from streaming.lifecycle import Lifecycle
from streaming.on_air import OnAir, Switch, policy_of
from streaming.path_state import Cause, PathState, StateChange
from streaming.path_statistics import PathStatistics
from streaming.publish_codes import BAD_NAME, REJECTED, UNPUBLISHED
from streaming.publisher_slot import PublisherRecord, Rank, Slot, slate_slot
from streaming.reader import Reader
from streaming.slate.loop import SlateLoop

NOTHING_CAME = "no media that could be begun with"


class Path:
    """Owns the publishers' slots and the programme; the registry creates it and calls it.

    The one door for samples is `write`; everything behind it is called in packet order by the
    readers' own order. Publishers that are not on air cost a bounded queue each.
    """

    def __init__(
        self,
        name: str,
        config: PathConfig,
        now_utc: float,
        on_change: Callable[[StateChange], None],
        on_switch: Callable[[Switch], None] = lambda switch: None,
        on_left: Callable[[Slot, str], None] = lambda slot, reason: None,
    ) -> None:
        self.name = name
        self.config = config
        self.lifecycle = Lifecycle(name, now_utc, on_change)
        """For whoever opens the source and asks for publishers; the states are the path's."""
        self._on_left = on_left
        self._on_air = OnAir(policy_of(config), now_utc)
        self._broadcast = Broadcast(self.lifecycle, on_switch, self._expel)
        self._programme = self._broadcast.programme
        self._away_since_utc = now_utc
        self._publishers = 0
        self._samples_in = 0
        self._bytes_in = 0
        self._rate = ByteRate(now_utc)

    # -- the publishers' side ----------------------------------------------------------------

    def occupy(
        self,
        publisher: Publisher,
        remote: str,
        protocol: str,
        now_utc: float,
        rank: Rank = Rank.PRIMARY,
    ) -> Slot:
        """Takes the slot of that rank, by the path's `republish` policy.

        Raises PublishRejected where another publisher holds it and the policy is `reject`, or it
        would be a source of ours in the place of somebody who pushes.
        """
        self.check_room(protocol, rank)
        old = self._on_air.holder(rank)
        self._publishers += 1
        number = self._publishers
        slot = Slot(publisher, remote, protocol, rank, now_utc, self.config.stall_s, number)
        if old is None:
            self._broadcast.obey(self._on_air.join(slot, now_utc), now_utc)
            return slot
        self._on_air.replace(old, slot)
        self._on_left(old, "taken over")
        self._broadcast.replace(old, slot, now_utc)
        old.publisher.close(UNPUBLISHED, f"another publisher took over {self.name}")
        return slot

    def check_room(self, protocol: str, rank: Rank = Rank.PRIMARY) -> None:
        """Raises PublishRejected where `occupy` would."""
        old = self._on_air.holder(rank)
        # A source that was added while somebody pushes waits until that one has left.
        is_late_source = protocol == "pull" and old is not None and old.protocol != "pull"
        if old is not None and (self.config.republish == "reject" or is_late_source):
            what = "a publisher" if rank is Rank.PRIMARY else f"a {rank.value} publisher"
            raise PublishRejected(BAD_NAME, f"{self.name} has {what} already", http_status=409)

    def set_tracks(
        self, slot: Slot, tracks: Sequence[Track], clock: SourceClock, now_utc: float
    ) -> None:
        """The publisher's complete list of tracks; again whenever one of them changes."""
        if not self._on_air.holds(slot):
            return
        is_layers = slot.changes_layers_alone(tracks, clock)
        slot.set_tracks(tracks, clock)
        programme = self._programme
        if slot is not programme.slot:
            return
        continues = self.state in _UNDER_WAY and not programme.awaits_first
        if continues:
            programme.flush(now_utc)
        if continues and is_layers:
            programme.set_layers(now_utc)
            return
        programme.start_tracks(now_utc, continues=continues)

    def write(self, slot: Slot, samples: list[Sample], now_utc: float) -> None:
        """Samples in the publisher's own clock that came together, in order.

        Raises MediaError when one cannot be placed; those before it have been.
        """
        for index, sample in enumerate(samples):
            if slot is self._programme.slot:  # perhaps since the sample before
                self._note(slot, samples[index:], now_utc)
                self._broadcast.place(slot, samples[index:], now_utc)
                return
            if not self._on_air.holds(slot):
                return
            self._note(slot, [sample], now_utc)
            if slot.keep(sample, now_utc):
                self._broadcast.obey(self._on_air.take_entry(slot, now_utc), now_utc)

    def media_time(self, slot: Slot, track: str, stamp: int) -> int | None:
        """Where a stamp near the latest one of a track is placed, in ticks of the track; None
        while others are on air."""
        if slot is not self._programme.slot:
            return None
        return self._programme.media_time(track, stamp)

    def leave(
        self, slot: Slot, reason: str, now_utc: float, cause: Cause = Cause.PUBLISHER_LEFT
    ) -> None:
        """The publisher has gone."""
        if not self._on_air.holds(slot):
            return
        self._on_left(slot, reason)
        self._broadcast.obey(self._on_air.leave(slot, reason, now_utc), now_utc, cause)
        if not self._on_air.publishers:
            self._away_since_utc = now_utc

    # -- who is on air -----------------------------------------------------------------------

    def choose(self, rank: Rank | None, now_utc: float) -> None:
        """Puts that rank on air whenever it delivers, the slate at once; None is automatic.

        The publishers stay connected and notice nothing.
        """
        self._on_air.choose(rank)
        self.handle_timer(now_utc)

    def set_slate(self, slate: SlateLoop | None, now_utc: float) -> None:
        """What covers for publishers that are away or silent; goes on air when it is due."""
        is_on_air = self.is_slate_on_air
        if is_on_air and slate is not None:
            self._programme.fall_silent(now_utc)
        self._programme.slate = slate
        slot = None
        if slate is not None:
            slot = slate_slot(slate.tracks, slate.clock, now_utc)
        self._broadcast.obey(self._on_air.set_slate(slot, now_utc), now_utc)
        if is_on_air and slot is not None:
            self._broadcast.begin(slot, [], now_utc)

    @property
    def is_slate_on_air(self) -> bool:
        """Whether `run_slate` is to be called."""
        return self._programme.is_slate

    @property
    def live_tracks(self) -> tuple[Track, ...]:
        """Of the latest publisher that was on air; what a slate has to look like."""
        return self._programme.live_tracks

    def run_slate(self, now_utc: float) -> float:
        """Plays what of the slate is due; gives when more is, seconds UTC."""
        return self._programme.run_slate(now_utc)

    def _note(self, slot: Slot, samples: list[Sample], now_utc: float) -> None:
        size_bytes = slot.note(samples, now_utc)
        self._samples_in += len(samples)
        self._bytes_in += size_bytes
        self._rate.add(size_bytes, now_utc)

    # -- the registry's side -----------------------------------------------------------------

    def apply(self, config: PathConfig) -> bool:
        """Other settings; False where some of them have to wait until the path begins anew."""
        self.config = settings_at_once(self.config, config)
        self._on_air.apply(policy_of(self.config))
        return self.config == config

    @property
    def readers(self) -> list[Reader]:
        """Who is given its samples, in this order; whoever makes the path adds to it."""
        return self._programme.readers

    @property
    def state(self) -> PathState:
        """Where it is in its life."""
        return self.lifecycle.state

    @property
    def state_version(self) -> int:
        """Number of the latest transition."""
        return self.lifecycle.version

    def restore(self, end_utc: float, now_utc: float) -> None:
        """Goes on after an earlier origin, whose media end at `end_utc`: its publisher is away."""
        self._programme.restore(end_utc)
        self._take(Cause.RESTORED, "", now_utc)

    def handle_timer(self, now_utc: float) -> None:
        """Switches to who is due, and ends the path when nobody came back within `linger_s`."""
        if not self._has_ended:
            self._broadcast.obey(self._on_air.handle_timer(now_utc), now_utc)
        if self._programme.slot is not None:
            self._judge(self._programme.slot, now_utc)
        if self._has_been_left(now_utc):
            self._wind_up(now_utc)
        if self.state is PathState.ENDING:
            self._end_when_drained(now_utc)

    def _judge(self, slot: Slot, now_utc: float) -> None:
        """Whether who is on air delivers, or ever will."""
        runs = self.state in (PathState.LIVE, PathState.DEGRADED)
        if runs and self._on_air.has_stalled(now_utc) and slot.try_patience(now_utc):
            self._take(Cause.PUBLISHER_SILENT, slot.rank.value, now_utc)
        if self.state in _BEGINNING and self.lifecycle.is_overdue(now_utc):
            self._expel(slot, REJECTED, NOTHING_CAME, now_utc, Cause.NOTHING_CAME)

    def _has_been_left(self, now_utc: float) -> bool:
        if self.state not in _AWAY or self._on_air.publishers or self.config.slate_always:
            return False
        return now_utc - self._away_since_utc >= self.config.linger_s

    @property
    def _has_ended(self) -> bool:
        """Whether the slate has nothing to cover for any more."""
        if self.state is PathState.FAILED:
            return not self.config.slate_always
        return self.state in (PathState.ENDING, PathState.ENDED)

    def _wind_up(self, now_utc: float) -> None:
        switch = self._on_air.end_slate("no publisher came back", now_utc)
        if switch is not None:
            self._broadcast.end_slate(switch, now_utc)
        self._take(Cause.NOBODY_CAME_BACK, "", now_utc)

    def _end_when_drained(self, now_utc: float) -> None:
        is_drained = all(reader.is_drained(now_utc) for reader in self.readers)
        if not is_drained and not self.lifecycle.is_overdue(now_utc):
            return
        self._programme.end(now_utc)
        cause = Cause.SOURCE_FAILING if self.lifecycle.is_source_failing else Cause.DRAINED
        self._take(cause, "", now_utc)

    def set_degraded(self, degraded: bool, reason: str, now_utc: float) -> None:
        """The encoder fell behind, or caught up again."""
        cause = Cause.ENCODER_BEHIND if degraded else Cause.ENCODER_RECOVERED
        self._take(cause, reason, now_utc)

    def kick(self, code: str, description: str, now_utc: float) -> None:
        """Closes all publishers."""
        for slot in reversed(self._on_air.publishers):
            self._expel(slot, code, description, now_utc, Cause.PUBLISHER_KICKED)

    def end_session(self, session: str, code: str, description: str, now_utc: float) -> bool:
        """Closes one publisher by its session's name; False where there is none."""
        for slot in self._on_air.publishers:
            if slot.session == session:
                self._expel(slot, code, description, now_utc, Cause.PUBLISHER_KICKED)
                return True
        return False

    def reject(self, slot: Slot, description: str, now_utc: float) -> None:
        """Closes one publisher over what it sent."""
        if self._on_air.holds(slot):
            self._expel(slot, REJECTED, description, now_utc)

    def _expel(
        self,
        slot: Slot,
        code: str,
        description: str,
        now_utc: float,
        cause: Cause = Cause.PUBLISHER_EXPELLED,
    ) -> None:
        self.leave(slot, description, now_utc, cause)
        slot.publisher.close(code, description)

    def publishers(self, now_utc: float) -> tuple[PublisherRecord, ...]:
        """Who publishes here."""
        return self._on_air.statistics(now_utc).publishers

    @property
    def media_end_utc(self) -> float | None:
        """Where the media placed so far end, seconds UTC; None while nobody is on air."""
        is_on_air = self.state in _ON_AIR and not self._programme.awaits_first
        return self._programme.end_utc if is_on_air else None

    @property
    def has_guest(self) -> bool:
        """Whether anybody publishes but the path's own source."""
        return any(slot.protocol != "pull" for slot in self._on_air.publishers)

    @property
    def has_publisher(self) -> bool:
        """Whether any publisher is there."""
        return bool(self._on_air.publishers)

    def statistics(self, now_utc: float) -> PathStatistics:
        """What this path has seen until now."""
        slot = self._programme.slot if not self.is_slate_on_air else None
        return PathStatistics(
            life=self.lifecycle.statistics(now_utc),
            publisher=slot.remote if slot else "",
            protocol=slot.protocol if slot else "",
            publishers=self._publishers,
            tracks=self._programme.tracks,
            bytes_in=self._bytes_in,
            samples_in=self._samples_in,
            bitrate=self._rate.bits_per_second(now_utc) if slot else 0,
            timeline=self._programme.statistics(),
            on_air=self._on_air.statistics(now_utc),
        )

    def _take(self, cause: Cause, detail: str, now_utc: float) -> None:
        self.lifecycle.take(cause, detail, now_utc)


_BEGINNING = (PathState.PROBING, PathState.STARTING)
_AWAY = (PathState.RECONNECTING, PathState.SLATE)
_UNDER_WAY = (PathState.LIVE, PathState.DEGRADED, PathState.STALLED)
_ON_AIR = (*_UNDER_WAY, PathState.SLATE)
