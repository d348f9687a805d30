"""Rules about an MPD by itself, and about the same one later."""

from __future__ import annotations

import itertools

from streaming.inspect.mpd import (
    NAMESPACE,
    AdaptationSet,
    Mpd,
    Period,
    Representation,
    has_years,
    to_seconds,
)
from streaming.inspect.playlist import to_utc
from streaming.inspect.report import Report

TIMING_SCHEMES = ("http-xsdate", "http-iso", "http-head", "direct")
SAFE_INTEGER = 1 << 53
"""JavaScript counts exactly up to here."""
_DURATIONS = (
    "minimumUpdatePeriod", "minBufferTime", "timeShiftBufferDepth", "suggestedPresentationDelay",
    "maxSegmentDuration", "mediaPresentationDuration", "maxSubsegmentDuration",
)  # fmt: skip
TOUCHING_S = 0.001
"""Periods are written with decimals of a second."""


def check_mpd(report: Report, mpd: Mpd) -> None:
    """D0, D1, D2 and D4 to D13 as far as the text alone can tell."""
    if mpd.namespace != NAMESPACE:
        report.error("D0", "MPD", f"namespace {mpd.namespace!r}")
    if not mpd.periods:
        report.error("D0", "MPD", "no Period")
    for name in ("profiles", "minBufferTime"):
        if name not in mpd.attributes:
            report.error("D0", "MPD", f"no @{name}")
    for name in _DURATIONS:
        _check_duration(report, "MPD", name, mpd.attributes.get(name))
    if mpd.is_dynamic:
        _check_dynamic(report, mpd)
    for latency in mpd.latencies:
        if not latency.get("target", "").isdigit():
            report.error("D9", "MPD", "Latency without @target")
    _check_producer_times(report, mpd)
    _check_periods(report, mpd)
    for period, adaptation_set, representation in mpd.representations():
        where = place(period, representation)
        _check_template(report, where, representation)
        _check_timeline(report, where, mpd, representation)
        _check_attributes(report, where, adaptation_set, representation)


def place(period: Period, representation: Representation) -> str:
    """Where a representation is, for a finding."""
    return f"period {period.name} {representation.id}"


def _check_duration(report: Report, where: str, name: str, value: str | None) -> None:
    if value is None:
        return
    if to_seconds(value) is None:
        report.error("D0", where, f"@{name} {value!r} is no duration")
    elif has_years(value):
        report.error("D8", where, f"@{name} {value!r} counts in years or months")


def _check_dynamic(report: Report, mpd: Mpd) -> None:
    for name in ("availabilityStartTime", "publishTime"):
        if to_utc(mpd.attributes.get(name, "")) is None:
            report.error("D1", "MPD", f"no @{name} with a time zone")
    schemes = [timing.get("schemeIdUri", "") for timing in mpd.utc_timings]
    known = [f"urn:mpeg:dash:utc:{scheme}:2014" for scheme in TIMING_SCHEMES]
    if not set(schemes) & set(known):
        report.error("D2", "MPD", f"UTCTiming schemes {schemes}, none is known")
    ended = "mediaPresentationDuration" in mpd.attributes or (
        bool(mpd.periods) and mpd.periods[-1].duration_s is not None
    )
    if "minimumUpdatePeriod" not in mpd.attributes and not ended:
        report.error("D8", "MPD", "no @minimumUpdatePeriod, and no end either")
    for period in mpd.periods:
        for adaptation_set in period.sets:
            if "id" not in adaptation_set.attributes:
                report.error("D1", f"period {period.name}", "AdaptationSet without @id")


def _check_producer_times(report: Report, mpd: Mpd) -> None:
    for times in mpd.producer_times:
        ids = [time.get("id") for time in times]
        if len(set(ids)) < len(ids):
            report.error("D10", "MPD", "ProducerReferenceTime ids repeat within a period")
    for time in itertools.chain.from_iterable(mpd.producer_times):
        for name in ("id", "wallClockTime", "presentationTime"):
            if name not in time:
                report.error("D10", "MPD", f"ProducerReferenceTime without @{name}")


def _check_periods(report: Report, mpd: Mpd) -> None:
    ids = [period.attributes.get("id") for period in mpd.periods]
    if mpd.is_dynamic and (None in ids or len(set(ids)) < len(ids)):
        report.error("D1", "MPD", f"Period ids {ids}")
    for period in mpd.periods:
        where = f"period {period.name}"
        for name in ("start", "duration"):
            _check_duration(report, where, name, period.attributes.get(name))
        if period.duration_s == 0 or not any(s.representations for s in period.sets):
            report.error("D13", where, "is empty")
    for before, after in itertools.pairwise(mpd.periods):
        if before.start_s is None or after.start_s is None:
            continue
        end = before.start_s + before.duration_s if before.duration_s is not None else None
        if after.start_s <= before.start_s or (
            end is not None and abs(end - after.start_s) > TOUCHING_S
        ):
            report.error("D13", f"period {after.name}", f"starts at {after.start_s}, {end} was due")


def _check_template(report: Report, where: str, representation: Representation) -> None:
    template = representation.template
    if not template:
        report.note("D7", where, "no SegmentTemplate: its segments were not looked at")
        return
    if representation.has_timeline == ("duration" in template):
        both = "both" if representation.has_timeline else "neither"
        report.error("D7", where, f"{both} of @duration and SegmentTimeline")
    media = template.get("media", "")
    if ("$Number" in media) == ("$Time" in media):
        report.error("D7", where, f"@media {media!r} needs $Number$ or $Time$")
    if "$Time" in media and not representation.has_timeline and "duration" not in template:
        report.error("D7", where, "$Time$ without a timeline")
    for name in ("timescale", "startNumber", "duration", "presentationTimeOffset"):
        if name in template and not template[name].isdigit():
            report.error("D0", where, f"@{name} {template[name]!r}")
    if "availabilityTimeOffset" in template and template.get("availabilityTimeComplete") is None:
        report.warn("D4", where, "availabilityTimeOffset without availabilityTimeComplete")


def _check_timeline(report: Report, where: str, mpd: Mpd, representation: Representation) -> None:
    longest = mpd.seconds("maxSegmentDuration")
    for entry in representation.entries:
        if entry.duration <= 0:
            report.error("D5", where, f"segment {entry.number} of duration {entry.duration}")
        if entry.end >= SAFE_INTEGER:
            report.error("D8", where, f"segment {entry.number} ends at 2^53 or later")
        seconds = entry.duration / representation.timescale
        if longest is not None and seconds > longest + TOUCHING_S:
            report.error(
                "D12", where, f"segment {entry.number} of {seconds:g} s, maximum {longest:g}"
            )
    for before, after in itertools.pairwise(representation.entries):
        if after.time != before.end:
            kind = "gap" if after.time > before.end else "overlap"
            ticks = abs(after.time - before.end)
            report.error("D5", where, f"{kind} of {ticks} ticks before segment {after.number}")
    end: int | None = None
    last_duration = 0
    for start, duration, repeats in representation.rows:
        contiguous = start is None or start == end
        if end is not None and contiguous and duration == last_duration:
            report.warn("D5", where, f"equal neighbours of {duration} ticks are not merged")
        begin = start if start is not None else (end or 0)
        end, last_duration = begin + duration * (max(repeats, 0) + 1), duration


def _check_attributes(
    report: Report, where: str, adaptation_set: AdaptationSet, representation: Representation
) -> None:
    for name in ("codecs", "mimeType", "bandwidth"):
        if name not in representation.attributes:
            report.error("D12", where, f"no @{name}")
    ids = [each.id for each in adaptation_set.representations]
    if not representation.id or ids.count(representation.id) > 1:
        report.error("D1", where, f"Representation ids {ids}")
