"""Rules about an MPD and the same one later."""

from __future__ import annotations

from streaming.inspect.mpd import Mpd, Period, Representation
from streaming.inspect.mpd_rules import place
from streaming.inspect.playlist import to_utc
from streaming.inspect.report import Report


def check_mpd_reload(report: Report, before: Mpd, after: Mpd) -> None:
    """D1 and D5: only the edits that a live MPD may undergo."""
    if before.attributes.get("availabilityStartTime") != after.attributes.get(
        "availabilityStartTime"
    ):
        report.error("D1", "MPD", "@availabilityStartTime changed")
    published = [to_utc(mpd.attributes.get("publishTime", "")) for mpd in (before, after)]
    if published[0] is not None and published[1] is not None and published[1] < published[0]:
        report.error("D1", "MPD", "@publishTime fell")
    if before.seconds("maxSegmentDuration") != after.seconds("maxSegmentDuration"):
        report.warn("D12", "MPD", "@maxSegmentDuration changed")
    later = {period.name: period for period in after.periods}
    names = [period.name for period in before.periods]
    kept = [name for name in names if name in later]
    if kept != names[len(names) - len(kept) :] or kept != list(later)[: len(kept)]:
        report.error("D1", "MPD", f"periods went from {names} to {list(later)}")
    for period in before.periods:
        if period.name in later:
            _check_period(report, period, later[period.name])


def _check_period(report: Report, before: Period, after: Period) -> None:
    where = f"period {after.name}"
    if before.start_s != after.start_s:
        report.error("D1", where, f"@start went from {before.start_s} to {after.start_s}")
    old = {each.id: each for s in before.sets for each in s.representations}
    new = {each.id: each for s in after.sets for each in s.representations}
    sets = [[s.attributes.get("id") for s in period.sets] for period in (before, after)]
    # Players choose sets when they enter a period: one that comes later is never played.
    if sets[0] != sets[1]:
        report.error("D1", where, f"AdaptationSets went from {sets[0]} to {sets[1]}")
    if list(old) != [name for name in new if name in old]:
        report.error("D1", where, f"Representations went from {list(old)} to {list(new)}")
    elif list(old) != list(new):
        report.warn("D1", where, f"Representations went from {list(old)} to {list(new)}")
    for name in old.keys() & new.keys():
        _check_representation(report, place(after, new[name]), old[name], new[name])


def _check_representation(
    report: Report, where: str, before: Representation, after: Representation
) -> None:
    for name in ("timescale", "media", "initialization", "presentationTimeOffset", "duration"):
        if before.template.get(name) != after.template.get(name):
            was, now = before.template.get(name), after.template.get(name)
            report.error("D1", where, f"SegmentTemplate@{name} went from {was} to {now}")
    if not before.entries or not after.entries:
        return
    if after.entries[0].time < before.entries[0].time:
        report.error("D5", where, "the timeline grew at its head")
    if after.entries[-1].end < before.entries[-1].end:
        report.error("D5", where, "the timeline ends earlier than before")
    known = {entry.time: entry for entry in before.entries}
    overlap = False
    for entry in after.entries:
        old = known.get(entry.time)
        overlap = overlap or old is not None
        if old is not None and old != entry:
            report.error("D5", where, f"segment at {entry.time} was {old}, now {entry}")
        elif old is None and entry.time < before.entries[-1].end and overlap:
            report.error("D5", where, f"segment at {entry.time} was not there before")
