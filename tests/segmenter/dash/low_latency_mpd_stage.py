"""Low-latency manifests as players with a clock read them."""

from __future__ import annotations

import dataclasses
from fractions import Fraction

from lxml import etree

from segmenter.dash.low_latency_mpd import LowLatencyMpd
from segmenter.media import Sample
from segmenter.presentation import PresentationSettings
from segmenter.segment import Event
from tests.segmenter.dash.judges import HAS_XSD, validate
from tests.segmenter.dash.watch import NAMESPACE, seconds
from tests.segmenter.stage import AUDIO, SMALL, SOURCE, audio, video
from tests.segmenter.watched_stage import WatchedStage

TEMPLATES = f".//{NAMESPACE}Representation/{NAMESPACE}SegmentTemplate"
INHERITED = f".//{NAMESPACE}AdaptationSet/{NAMESPACE}SegmentTemplate"


class MpdStage(WatchedStage):
    """Renders the manifest after each event, and remembers all that it ever said of periods."""

    def __init__(self, *args: object, **options: object) -> None:
        self.mpd: LowLatencyMpd | None = None
        self.shown: object = None
        self.texts: list[str] = []
        self.periods: dict[str, etree._Element] = {}
        super().__init__(*args, **options)  # type: ignore[arg-type]

    def _record(self, events: list[Event]) -> list[Event]:
        super()._record(events)
        if self.shown is not self.presentation:
            self.shown, self.mpd = self.presentation, LowLatencyMpd(self.presentation, "/time")
        assert self.mpd is not None
        if not self.presentation.target_duration or not any(
            rendition.is_playable for rendition in self.presentation.renditions.values()
        ):
            return events
        if not self.mpd.update():
            return events
        text = self.mpd.render(self.now)
        if not self.texts or text is not self.texts[-1]:
            self.texts.append(text)
            if HAS_XSD:
                validate(text)
            self._check(etree.fromstring(text.encode()))
        return events

    def _check(self, root: etree._Element) -> None:
        periods = root.findall(f"{NAMESPACE}Period")
        starts = [seconds(period.attrib["start"]) for period in periods]
        assert starts == sorted(set(starts)), "D13"
        for period in periods:
            known = self.periods.setdefault(period.attrib["id"], period)
            assert known.attrib["start"] == period.attrib["start"], "D1"
            assert [etree.tostring(child) for child in known] == [
                etree.tostring(child) for child in period
            ], "D1: a period changed"
            for template in period.findall(TEMPLATES):
                assert "duration" in template.attrib, "D7"
                assert template.find(f"{NAMESPACE}SegmentTimeline") is None, "D7"
                assert "$Number$" in template.attrib["media"], "D7"
                assert "$Time$" not in template.attrib["media"], "D7"

    def places(self, name: str) -> dict[int, Fraction]:
        """Where a player takes each segment of a rendition to begin, in fractions of a duration
        from where it does."""
        ordered = sorted(self.periods.values(), key=first_number)
        segments = {segment.msn: segment for segment in self.segments[name]}
        found = {}
        for period, following in zip(ordered, [*ordered[1:], None], strict=True):
            end = first_number(following) if following is not None else 1 << 60
            for representation in period.iter(f"{NAMESPACE}Representation"):
                if representation.attrib["id"] != name:
                    continue
                (template,) = representation.iter(f"{NAMESPACE}SegmentTemplate")
                first, duration = (int(template.attrib[k]) for k in ("startNumber", "duration"))
                offset = int(template.attrib["presentationTimeOffset"])
                for msn in range(first, min(end, max(segments, default=0) + 1)):
                    segment = segments.get(msn)
                    if segment is None or segment.is_gap:
                        continue
                    # What came after a break and is too short to begin a period is in none.
                    if segment.discontinuity == segments[first].discontinuity:
                        assert int(template.attrib["timescale"]) == segment.timescale, "D12"
                        place = offset + (msn - first) * duration
                        found[msn] = Fraction(segment.start - place, duration)
        return found


def first_number(period: etree._Element) -> int:
    return int(str(period.attrib["id"]).partition(".")[0])


def captured(samples: list[Sample]) -> list[Sample]:
    return [dataclasses.replace(s, captured_utc=s.dts / 90_000) for s in samples]


def staged(seconds: float = 30, **cutting: float) -> MpdStage:
    stage = MpdStage(SOURCE, SMALL, AUDIO, settings=PresentationSettings(**cutting))  # type: ignore[arg-type]
    stage.push(video(seconds=seconds), video(SMALL, seconds=seconds), audio(seconds=seconds))
    return stage


def root(stage: MpdStage) -> etree._Element:
    return etree.fromstring(stage.texts[-1].encode())


def templates(stage: MpdStage) -> list[etree._Element]:
    """Of all representations."""
    return root(stage).findall(TEMPLATES)
