"""A live DASH presentation: one look, or reloads over some seconds as players do them."""

from __future__ import annotations

from collections.abc import Callable

from segmenter.codecs.codec_string import codec_string
from segmenter.errors import MediaError
from segmenter.fmp4.reader import InitTrack
from segmenter.media import MediaType
from streaming.inspect.fetch import Answer, Fetcher, check_headers, max_age_of
from streaming.inspect.media import Measured, RenditionMedia, check_alignment
from streaming.inspect.mpd import AdaptationSet, Entry, Mpd, Period, Representation
from streaming.inspect.mpd_reload_rules import check_mpd_reload
from streaming.inspect.mpd_rules import check_mpd, place
from streaming.inspect.mpd_xml import parse_mpd
from streaming.inspect.report import Node, Report, UnreadableError
from streaming.inspect.utc_timing import check_clock

MPD_TYPES = ("application/dash+xml",)
HEADER_RULES = ("D3", "D14", "D14")
NEWEST = 3
"""Segments of each representation that are downloaded at the first look, the oldest besides."""
EARLY = 10
"""So many segments after the last one none can be there yet."""


class DashInspector:
    """Owns one inspection of one MPD URL."""

    def __init__(
        self,
        report: Report,
        fetcher: Fetcher,
        clock: Callable[[], float],
        wait: Callable[[float], None],
    ) -> None:
        self._report = report
        self._fetcher = fetcher
        self._clock = clock
        self._wait = wait
        self._media: dict[str, RenditionMedia] = {}
        self._nodes: dict[str, Node] = {}
        self._stretches: dict[str, int] = {}

    def inspect(self, answer: Answer, watch_s: float) -> None:
        """``answer`` is the MPD that was asked for. Raises UnreadableError."""
        mpd = self._look(answer)
        mpd.describe(self._report.tree)
        check_clock(self._report, self._fetcher, mpd, answer.url, self._clock)
        for period, adaptation_set, representation in mpd.representations():
            entries = self._entries(mpd, period, representation)
            chosen = [*entries[:1], *entries[1:][-NEWEST:]]
            self._load(period, adaptation_set, representation, chosen)
        self._check_early(mpd)
        mpd = self._watch(answer.url, mpd, watch_s)
        for media in self._media.values():
            media.check_continuity("D5")
        self._check_sets(mpd)

    def _look(self, answer: Answer) -> Mpd:
        check_headers(self._report, "MPD", answer, MPD_TYPES, HEADER_RULES)
        if "date" not in answer.headers:
            self._report.error("D14", "MPD", "no Date header")
        mpd = parse_mpd(answer.body, answer.url)
        age, period_s = max_age_of(answer), mpd.seconds("minimumUpdatePeriod")
        if age is not None and period_s is not None and age > period_s:
            self._report.error("D14", "MPD", f"cached {age} s, updated every {period_s:g} s")
        check_mpd(self._report, mpd)
        return mpd

    def _entries(self, mpd: Mpd, period: Period, representation: Representation) -> list[Entry]:
        """What is listed; without a timeline, what the clock says should be there."""
        duration = representation.number("duration", 0)
        if representation.has_timeline or not duration or mpd.start_utc is None:
            return representation.entries
        elapsed_s = self._clock() - mpd.start_utc - (period.start_s or 0.0)
        complete = int(elapsed_s * representation.timescale / duration)
        depth_s = min(mpd.seconds("timeShiftBufferDepth") or 60.0, 60.0)
        count = int(depth_s * representation.timescale / duration) - 1
        first = representation.number("startNumber", 1)
        offset = representation.number("presentationTimeOffset", 0)
        oldest, length_s = max(0, complete - count), mpd.length_s(period)
        if length_s is not None:
            # Half a duration is how far a segment may be from its place (D6).
            complete = min(complete, round(length_s * representation.timescale / duration))
        return [Entry(first + n, offset + n * duration, duration) for n in range(oldest, complete)]

    def _load(
        self,
        period: Period,
        adaptation_set: AdaptationSet,
        representation: Representation,
        entries: list[Entry],
    ) -> None:
        name = place(period, representation)
        if not representation.template.get("media"):
            return
        media = self._media.setdefault(
            name, RenditionMedia(self._report, self._fetcher, name, HEADER_RULES)
        )
        init = media.load_init(representation.init_url) if representation.init_url else None
        if init is None:
            return
        self._check_init(name, representation, init)
        stretch = self._stretches.setdefault(period.name, len(self._stretches))
        for entry in entries:
            number = entry.number if "$Number" in representation.template["media"] else entry.time
            if number in media.segments:
                continue
            url = representation.segment_url(entry)
            measured = media.load_segment(number, url, "", init, stretch)
            if measured is not None:
                self._check_entry(name, representation, entry, measured)

    def _check_init(self, where: str, representation: Representation, init: InitTrack) -> None:
        track, said = init.track, representation.attributes
        try:
            codecs = codec_string(track)
        except MediaError:
            return  # the init section was found broken already
        is_video = track.media_type is MediaType.VIDEO
        found = {
            "codecs": codecs.lower(),
            "mimeType": "video/mp4" if is_video else "audio/mp4",
            "width": str(track.width) if is_video else None,
            "height": str(track.height) if is_video else None,
        }
        for name, value in found.items():
            if name in said and value is not None and said[name].lower() != value:
                self._report.error(
                    "D12", where, f"@{name} {said[name]}, the init section says {value}"
                )
        if representation.timescale != track.timescale:
            self._report.warn(
                "D12",
                where,
                f"@timescale {representation.timescale}, the init section says {track.timescale}",
            )

    def _check_entry(
        self, where: str, representation: Representation, entry: Entry, measured: Measured
    ) -> None:
        ticks = measured.timescale / representation.timescale
        where = f"{where} segment {entry.number}"
        off = measured.earliest - entry.time * ticks
        longer = measured.end - measured.start - entry.duration * ticks
        if not representation.has_timeline:
            if abs(off) > entry.duration * ticks / 2:
                self._report.error("D6", where, f"starts {off / measured.timescale:+.3f} s off")
            return
        if abs(off) >= 1:
            text = f"@t is {entry.time}, the segment begins {off:+.0f} ticks from it"
            self._report.error("D5", where, text)
        if abs(longer) > measured.sample_ticks:
            self._report.error("D5", where, f"@d is {entry.duration}, {longer:+.0f} ticks measured")
        elif abs(longer) >= 1:
            self._report.warn("D5", where, f"@d is {entry.duration}, {longer:+.0f} ticks measured")

    def _check_early(self, mpd: Mpd) -> None:
        """What lies in the future is not there (D3)."""
        if (
            not mpd.is_dynamic
            or not mpd.periods
            or mpd.attributes.get("minimumUpdatePeriod") is None
        ):
            return
        period = mpd.periods[-1]
        for adaptation_set in period.sets:
            for representation in adaptation_set.representations[:1]:
                entries = self._entries(mpd, period, representation)
                if not entries or not representation.template.get("media"):
                    continue
                last = entries[-1]
                later = Entry(last.number + EARLY, last.time + EARLY * last.duration, last.duration)
                answer = self._fetcher.get(representation.segment_url(later))
                if 200 <= answer.status < 300:
                    where = place(period, representation)
                    text = f"segment {later.number} is {EARLY} ahead and answered with 200"
                    self._report.error("D3", where, text)

    def _watch(self, url: str, mpd: Mpd, watch_s: float) -> Mpd:
        """The last MPD that was seen."""
        end = self._clock() + watch_s
        step_s = max(0.5, mpd.seconds("minimumUpdatePeriod") or 2.0)
        while self._clock() + step_s <= end:
            self._wait(step_s)
            try:
                answer = self._fetcher.get(url)
                if not 200 <= answer.status < 300:
                    self._report.error("D14", "MPD", f"on reload: HTTP status {answer.status}")
                    continue
                latest = self._look(answer)
            except UnreadableError as error:
                self._report.error("D14", "MPD", f"on reload: {error}")
                continue
            check_mpd_reload(self._report, mpd, latest)
            mpd = latest
            for period, adaptation_set, representation in mpd.representations():
                entries = self._entries(mpd, period, representation)
                self._load(period, adaptation_set, representation, entries[-NEWEST:])
        return mpd

    def _check_sets(self, mpd: Mpd) -> None:
        for period in mpd.periods:
            for adaptation_set in period.sets:
                names = [place(period, each) for each in adaptation_set.representations]
                media = {name: self._media[name] for name in names if name in self._media}
                check_alignment(self._report, "C5", media)
        for period, _, representation in mpd.representations():
            measured = self._media.get(place(period, representation))
            said = representation.attributes.get("bandwidth", "")
            target_s = mpd.seconds("maxSegmentDuration") or 2.0
            peak = measured.peak_rate(target_s) if measured else 0
            if said.isdigit() and peak > 1.1 * int(said):
                where = place(period, representation)
                self._report.warn("D12", where, f"@bandwidth {said}, measured {peak}")
