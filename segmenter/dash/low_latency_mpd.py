"""A presentation as an MPD for low-latency players, over the very parts of its HLS playlists.

Segments are addressed by the clock ($Number$ and @duration, see `low_latency_periods`), and may be
asked for while they grow: @availabilityTimeOffset says that a segment is there once its first part
is, @availabilityTimeComplete that the rest of it follows chunk by chunk. So the manifest changes
only where a period begins or ends, and players need not fetch it for each segment.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from segmenter.dash.adaptation_set import Listing, adaptation_sets
from segmenter.dash.low_latency_periods import LowLatencyPeriod, LowLatencyPeriods, Member
from segmenter.dash.mpd import EPOCH_TEXT, NAMESPACE, PROFILE, UTC_TIMING_SCHEME, depth_s
from segmenter.dash.xml_text import Attributes, element, empty_element, format_duration
from segmenter.errors import UsageError
from segmenter.hls.media_lines import format_date_time
from segmenter.part_target import longest_part_target_ms
from segmenter.period_start import PERIOD_TICKS_PER_SECOND, PeriodStart
from segmenter.presentation import Presentation

LOW_LATENCY_PROFILE = "http://www.dashif.org/guidelines/low-latency-live-v5"

TARGET_PARTS = 4
"""Latency that players should aim at, in part targets: one in the making, one on its way, two
buffered. dash.js and shaka play steadily with that on a good network."""

MIN_PARTS = 2
MAX_PARTS = 15
"""Beyond the latter players seek rather than catch up: three seconds at 200 ms."""

PLAYBACK_RATES = ("0.96", "1.04")
"""What viewers do not hear."""

PRODUCER_REFERENCE_ID = 0
"""Of the first representation of a period; the others follow."""


class LowLatencyMpd:
    """Owns the low-latency manifest of one presentation; its origin renders it after changes.

    A render without a new period takes some ten microseconds for each rendition.
    """

    def __init__(self, presentation: Presentation, utc_timing_url: str) -> None:
        """``utc_timing_url`` answers GET with the time of now as an xs:dateTime."""
        self._presentation = presentation
        self._periods = LowLatencyPeriods(presentation)
        self._listed: tuple[LowLatencyPeriod, ...] = ()
        timing: Attributes = {"schemeIdUri": UTC_TIMING_SCHEME, "value": utc_timing_url}
        self._utc_timing = empty_element("UTCTiming", timing)
        self._words: dict[LowLatencyPeriod, list[str]] = {}
        self._said: tuple[object, ...] = ()
        self._text = ""

    def update(self) -> bool:
        """Takes in which segments have begun; whether there are media, so that it can render."""
        self._listed = tuple(self._periods.update())
        return self._has_media

    def render(self, publish_utc: float) -> str:
        """The manifest as of `update`; URLs are relative to the directory it is in.

        ``publish_utc`` is @publishTime, seconds since 1970, if there is anything new to publish;
        else the same text object as before is given. Raises UsageError while there are no media.
        """
        if not self._has_media:
            raise UsageError("no rendition has media yet")
        said = (self._listed, self._presentation.is_ended)
        if said != self._said:
            self._said = said
            self._text = self._write(self._listed, publish_utc)
        return self._text

    @property
    def _has_media(self) -> bool:
        return bool(self._listed) and self._presentation.target_duration > 0

    def _write(self, periods: Sequence[LowLatencyPeriod], publish_utc: float) -> str:
        attributes: Attributes = {
            "xmlns": NAMESPACE,
            "profiles": f"{PROFILE},{LOW_LATENCY_PROFILE}",
            "type": "dynamic",
            "availabilityStartTime": EPOCH_TEXT,
            "publishTime": format_date_time(int(publish_utc * 1000), 1000),
            **self._timing(periods[-1]),
        }
        self._words = {
            period: self._words.get(period) or self._write_period(period) for period in periods
        }
        content = self._service_description()
        for period in periods:
            content += self._period_element(period, is_last=period is periods[-1])
        content.append(self._utc_timing)
        lines = ['<?xml version="1.0" encoding="UTF-8"?>', *element("MPD", attributes, content)]
        return "\n".join([*lines, ""])

    @property
    def _part_target_s(self) -> Fraction:
        """The longest of all renditions, and what others might get."""
        wanted_s = self._presentation.settings.part_duration_s
        targets = [r.part_target_ms for r in self._presentation.renditions.values()]
        return Fraction(max(longest_part_target_ms(wanted_s), *targets), 1000)

    def _timing(self, last: LowLatencyPeriod) -> Attributes:
        presentation, target_s = self._presentation, self._presentation.target_duration
        attributes: Attributes = {
            "minBufferTime": format_duration(self._part_target_s * MIN_PARTS),
            "maxSegmentDuration": format_duration(target_s + Fraction(1, 2)),
            "suggestedPresentationDelay": format_duration(self._part_target_s * TARGET_PARTS),
        }
        if presentation.is_ended:
            attributes["mediaPresentationDuration"] = format_duration(self._end_s(last))
        else:
            attributes["minimumUpdatePeriod"] = format_duration(max(1, target_s / 2))
            attributes["timeShiftBufferDepth"] = format_duration(depth_s(presentation))
        return attributes

    def _service_description(self) -> list[str]:
        part_ms = 1000 * self._part_target_s
        latency: Attributes = {
            "referenceId": PRODUCER_REFERENCE_ID,
            "target": math.ceil(TARGET_PARTS * part_ms),
            "max": math.ceil(MAX_PARTS * part_ms),
            "min": math.ceil(MIN_PARTS * part_ms),
        }
        lowest, highest = PLAYBACK_RATES
        rates: Attributes = {"max": highest, "min": lowest}
        inside = [empty_element("Latency", latency), empty_element("PlaybackRate", rates)]
        return element("ServiceDescription", {"id": 0}, inside)

    # -- periods -----------------------------------------------------------------------------

    def _period_element(self, period: LowLatencyPeriod, *, is_last: bool) -> list[str]:
        start_s = Fraction(period.start_ticks, PERIOD_TICKS_PER_SECOND)
        attributes: Attributes = {"id": period.id, "start": format_duration(start_s)}
        if is_last and self._presentation.is_ended:
            attributes["duration"] = format_duration(self._end_s(period) - start_s)
        return element("Period", attributes, self._words[period])

    def _write_period(self, period: LowLatencyPeriod) -> list[str]:
        listings = [
            Listing(
                member.rendition,
                member.init,
                member.rendition.is_independent,
                [
                    *self._producer_reference(period, member, number),
                    *self._template(period, member),
                ],
                self._shared_template(period, member),
            )
            for number, member in enumerate(period.members, PRODUCER_REFERENCE_ID)
        ]
        return adaptation_sets(listings)

    def _producer_reference(
        self, period: LowLatencyPeriod, member: Member, reference_id: int
    ) -> list[str]:
        """Media time is the time of capture, as ours is the clock; prft says it more exactly."""
        timescale = member.init.track.timescale
        start = PeriodStart(period.discontinuity, period.start_ticks)
        reference: Attributes = {
            "id": reference_id,
            "inband": "true" if member.is_captured else None,
            "type": "captured",
            "wallClockTime": format_date_time(period.start_ticks, PERIOD_TICKS_PER_SECOND),
            "presentationTime": start.media_time(timescale),
        }
        part_ticks = math.ceil(self._part_target_s * timescale)
        return [
            *element("ProducerReferenceTime", reference, [self._utc_timing]),
            empty_element("Resync", {"type": 0, "dT": part_ticks}),
        ]

    def _shared_template(self, period: LowLatencyPeriod, member: Member) -> list[str]:
        """When segments are available is said of sets alone (DASH-IF's restricted timing model).

        With a duration, as each SegmentTemplate needs one (DASH-IF's Schematron rules).
        """
        offset_s = max(period.duration_s - self._part_target_s, Fraction(0))
        template: Attributes = {
            **_pace(period, member),
            "availabilityTimeOffset": f"{float(offset_s):.3f}",
            "availabilityTimeComplete": "false",
        }
        return [empty_element("SegmentTemplate", template)]

    def _template(self, period: LowLatencyPeriod, member: Member) -> list[str]:
        name = member.rendition.name
        start = PeriodStart(period.discontinuity, period.start_ticks)
        template: Attributes = {
            **_pace(period, member),
            "presentationTimeOffset": start.media_time(member.init.track.timescale),
            "initialization": f"{name}/{member.init.name}",
            "media": f"{name}/$Number$.m4s",
            "startNumber": period.first_msn,
        }
        return [empty_element("SegmentTemplate", template)]

    def _end_s(self, period: LowLatencyPeriod) -> Fraction:
        lasts = [member.rendition.segments[-1] for member in period.members]
        return max(Fraction(last.end, last.timescale) for last in lasts)


def _pace(period: LowLatencyPeriod, member: Member) -> Attributes:
    timescale = member.init.track.timescale
    return {"timescale": timescale, "duration": round(period.duration_s * timescale)}
