"""Follows one DASH representation at its live edge, chunk by chunk where segments grow."""

from __future__ import annotations

from collections.abc import Callable

from segmenter.errors import MediaError
from segmenter.fmp4.reader import InitTrack, read_init_tracks
from streaming.inspect.chunk_clock import Chunk, ChunkClock
from streaming.inspect.fetch import Answer, StreamFetcher
from streaming.inspect.follower import POLL_S, RETRY_S, Follower
from streaming.inspect.latency import LatencyMeter
from streaming.inspect.mpd import Entry, Mpd, Period, Representation
from streaming.inspect.mpd_xml import parse_mpd
from streaming.inspect.playlist import to_number
from streaming.inspect.report import UnreadableError

LATE_S = 10.0
"""Without a new segment the stream stands: no live profile has longer ones."""


class DashFollower(Follower):
    """Owns one following of one MPD URL."""

    def __init__(
        self,
        meter: LatencyMeter,
        fetcher: StreamFetcher,
        clock: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        super().__init__(meter, fetcher, clock, wait)
        self._inits: dict[str, InitTrack | None] = {}
        self._last: Entry | None = None
        self._loaded_at = 0.0
        self.kind = "DASH"

    def follow(self, answer: Answer, seconds: float) -> None:
        """``answer`` is the MPD that was asked for. Raises UnreadableError unless it is live."""
        mpd = parse_mpd(answer.body, answer.url)
        if not mpd.is_dynamic or "minimumUpdatePeriod" not in mpd.attributes:
            raise UnreadableError(f"{answer.url}: is not live, so nothing is late")
        self._last = self._newest(mpd)
        self._grew_at = self._loaded_at = self._clock()
        end = self._clock() + seconds
        while self._clock() < end and "minimumUpdatePeriod" in mpd.attributes:
            mpd = self._step(answer.url, mpd)
        if "minimumUpdatePeriod" not in mpd.attributes:
            self._meter.trouble("the stream has ended meanwhile")

    def _step(self, url: str, mpd: Mpd) -> Mpd:
        """One look for the next segment, or for news of it; the MPD that holds after it."""
        if self._clock() - self._loaded_at >= (mpd.seconds("minimumUpdatePeriod") or POLL_S):
            mpd = self._reload(url, mpd)
        period, representation = chosen(mpd)
        self.rendition = representation.id
        entry = self._due(mpd, period, representation)
        if entry is not None:
            self._receive(mpd, period, representation, entry)
            return mpd
        if self._clock() - self._grew_at > LATE_S:
            self._meter.trouble(f"nothing new for {LATE_S:g} s")
        self._wait(POLL_S)
        return self._reload(url, mpd)

    def _reload(self, url: str, mpd: Mpd) -> Mpd:
        began = self._loaded_at = self._clock()
        try:
            answer = self._fetcher.get(url)
            if not 200 <= answer.status < 300:
                raise UnreadableError(f"MPD: HTTP status {answer.status}")
            mpd = parse_mpd(answer.body, answer.url)
        except UnreadableError as error:
            self._meter.trouble(str(error))
            self._wait(RETRY_S)
            return mpd
        now = self._clock()
        self._meter.add("answered", now - began)
        period, representation = chosen(mpd)
        newest = self._newest(mpd)
        if newest and _is_later(newest, self._last) and not offset_s(representation):
            self._meter.add("listed", now - end_utc(mpd, period, representation, newest.end))
        return mpd

    def _due(self, mpd: Mpd, period: Period, representation: Representation) -> Entry | None:
        """The segment to ask for now; None until there is one."""
        self.kind = "LL-DASH" if offset_s(representation) else "DASH"
        newest = self._newest(mpd)
        if newest is None:
            return None
        if _is_later(newest, self._last):
            return newest
        ahead_s = offset_s(representation)
        if not ahead_s or self._last is None:
            return None
        length = self._last.duration
        following = Entry(self._last.number + 1, self._last.end, length)
        opens = end_utc(mpd, period, representation, following.end) - ahead_s
        return following if self._clock() >= opens else None

    def _newest(self, mpd: Mpd) -> Entry | None:
        """The last segment that the MPD, with the clock where it has no timeline, says is there."""
        period, representation = chosen(mpd)
        if representation.has_timeline:
            return representation.entries[-1] if representation.entries else None
        duration = representation.number("duration", 0)
        if not duration:
            return None
        start_s = end_utc(mpd, period, representation, representation.number(_OFFSET, 0))
        elapsed_s = self._clock() - start_s + offset_s(representation)
        count = int(elapsed_s * representation.timescale / duration)
        if count < 1:
            return None
        first = representation.number("startNumber", 1)
        time = representation.number(_OFFSET, 0) + (count - 1) * duration
        return Entry(first + count - 1, time, duration)

    def _receive(
        self, mpd: Mpd, period: Period, representation: Representation, entry: Entry
    ) -> None:
        is_first = self._last is None
        self._last, self._grew_at = entry, self._clock()
        init = self._init(representation)
        if init is None:
            return
        arrived = self._watch(representation, entry, init)
        if is_first or not arrived:  # nobody knows how long the first one has been there
            return
        scale = representation.timescale / init.track.timescale
        grows = offset_s(representation) > 0
        last_at = arrived[-1][0]
        # A segment that does not grow is as late as its end, and was captured from its start.
        for now, chunk in arrived if grows else arrived[-1:]:
            ended = end_utc(mpd, period, representation, chunk.end * scale)
            self._meter.add("received", now - ended)
        for now, chunk in arrived if grows else [(last_at, arrived[0][1])]:
            if chunk.captured_utc is not None:
                self._meter.add("captured", now - chunk.captured_utc)

    def _watch(
        self, representation: Representation, entry: Entry, init: InitTrack
    ) -> list[tuple[float, Chunk]]:
        """The chunks of a segment with the moments at which they were here."""
        began = self._clock()
        arrived: list[tuple[float, Chunk]] = []
        clock = ChunkClock(init)
        try:
            for number, piece in enumerate(self._fetcher.stream(representation.segment_url(entry))):
                now = self._clock()
                if number == 0:
                    stage = "blocked" if offset_s(representation) else "answered"
                    self._meter.add(stage, now - began)
                arrived += [(now, chunk) for chunk in clock.push(piece)]
        except UnreadableError as error:
            self._meter.trouble(str(error))
            self._wait(RETRY_S)
        return arrived

    def _init(self, representation: Representation) -> InitTrack | None:
        """Read once; None where it cannot be."""
        url = representation.init_url
        if url not in self._inits:
            self._inits[url] = None
            try:
                self._inits[url] = read_init_tracks(self._fetcher.get(url).body)[0]
            except (UnreadableError, MediaError, IndexError):
                self._meter.trouble(f"init section {url!r} cannot be read")
        return self._inits[url]


_OFFSET = "presentationTimeOffset"


def chosen(mpd: Mpd) -> tuple[Period, Representation]:
    """The first video of the last period, or whatever it has. Raises UnreadableError."""
    for period in reversed(mpd.periods):
        sets = sorted(period.sets, key=lambda one: "video" not in str(one.attributes))
        for adaptation_set in sets:
            for representation in adaptation_set.representations:
                if representation.template.get("media"):
                    return period, representation
    raise UnreadableError("the MPD has no representation with a SegmentTemplate")


def offset_s(representation: Representation) -> float:
    """availabilityTimeOffset: how long before its end a segment can be asked for; seconds."""
    return to_number(representation.template.get("availabilityTimeOffset", ""), 0.0) or 0.0


def end_utc(mpd: Mpd, period: Period, representation: Representation, ticks: float) -> float:
    """UTC of media time ``ticks`` of the representation's timescale; seconds since 1970."""
    media_s = (ticks - representation.number(_OFFSET, 0)) / representation.timescale
    return (mpd.start_utc or 0.0) + (period.start_s or 0.0) + media_s


def _is_later(entry: Entry, last: Entry | None) -> bool:
    return last is None or entry.time > last.time
