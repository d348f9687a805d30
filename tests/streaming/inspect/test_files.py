"""Files: a good one passes, and each fault in it is found under its rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from segmenter.fmp4.init_section import write_init_section
from segmenter.media import Codec
from streaming.inspect.report import Report, Severity, UnreadableError
from streaming.inspect.rules import RULES
from streaming.inspect.target import inspect_bytes, inspect_file
from tests.segmenter.fmp4.chunks import write_chunk
from tests.segmenter.fmp4.test_golden import samples_of, track_of

from .test_live import FAULTS_DASH, FAULTS_HLS

MEDIA = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,PART-HOLD-BACK=1.5,HOLD-BACK=6.0
#EXT-X-PART-INF:PART-TARGET=0.5
#EXT-X-MEDIA-SEQUENCE:100
#EXT-X-DISCONTINUITY-SEQUENCE:3
#EXT-X-MAP:URI="init-1.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T10:00:00.000Z
#EXTINF:2.000,
100.m4s
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T10:00:02.000Z
#EXTINF:2.000,
101.m4s
#EXT-X-DISCONTINUITY
#EXT-X-MAP:URI="init-2.mp4"
#EXT-X-PROGRAM-DATE-TIME:2026-11-23T11:00:00.000Z
#EXT-X-PART:DURATION=0.5,URI="102.0.m4s",INDEPENDENT=YES
#EXT-X-PART:DURATION=0.5,URI="102.1.m4s"
#EXT-X-PART:DURATION=0.5,URI="102.2.m4s"
#EXT-X-PART:DURATION=0.3,URI="102.3.m4s"
#EXTINF:1.800,
102.m4s
#EXT-X-PART:DURATION=0.5,URI="103.0.m4s",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="103.1.m4s"
#EXT-X-RENDITION-REPORT:URI="../360p/index.m3u8",LAST-MSN=103,LAST-PART=0
"""

VARIANTS = """#EXTM3U
#EXT-X-VERSION:4
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="audio",DEFAULT=YES,AUTOSELECT=YES,URI="audio/index.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="aac",NAME="second",DEFAULT=NO,AUTOSELECT=YES,URI="audio2/index.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=2000000,AVERAGE-BANDWIDTH=1900000,CODECS="avc1.64001f,mp4a.40.2",RESOLUTION=1280x720,FRAME-RATE=30.000,AUDIO="aac"
720p/index.m3u8
"""

SET = """  <AdaptationSet id="1" contentType="video" mimeType="video/mp4">
   <Representation id="720p" codecs="avc1.64001f" bandwidth="2000000" width="1280" height="720">
    <SegmentTemplate timescale="90000" initialization="$RepresentationID$/init.mp4"
      media="$RepresentationID$/$Number$.m4s" startNumber="7" presentationTimeOffset="900000">
     <SegmentTimeline><S t="900000" d="180000" r="2"/><S d="90000"/></SegmentTimeline>
    </SegmentTemplate>
   </Representation>
  </AdaptationSet>
"""
MPD = f"""<?xml version="1.0" encoding="UTF-8"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" profiles="urn:mpeg:dash:profile:isoff-live:2011"
 type="dynamic" availabilityStartTime="1970-01-01T00:00:00Z" publishTime="2026-11-23T10:00:00Z"
 minBufferTime="PT2S" maxSegmentDuration="PT2.5S" minimumUpdatePeriod="PT1S">
 <ServiceDescription id="0"><Latency target="3000"/></ServiceDescription>
 <Period id="1" start="PT10S">
{SET} </Period>
 <Period id="2" start="PT17S">
{SET} </Period>
 <UTCTiming schemeIdUri="urn:mpeg:dash:utc:http-xsdate:2014" value="/time"/>
</MPD>
"""


def inspected(text: str) -> Report:
    report = Report("file")
    inspect_bytes(report, text.encode("utf-8", "surrogateescape"), "file")
    return report


@pytest.mark.parametrize("text", [MEDIA, VARIANTS, MPD], ids=["media", "multivariant", "mpd"])
def test_a_good_file_passes(text: str) -> None:
    findings = inspected(text).findings
    assert [f for f in findings if f.severity is not Severity.NOTE] == []


# Rule, severity, words of the finding, pattern, replacement.
Fault = tuple[str, str, str, str, str]
FAULTS_MEDIA: list[Fault] = [
    ("H0", "error", "the first line", r"\A#EXTM3U\n", "\n#EXTM3U\n"),
    ("H0", "error", "is not UTF-8", r"\Z", "# \udcff\n"),
    ("H0", "error", "stands 2 times", r"^#EXT-X-TARGET.*\n", r"\g<0>\g<0>"),
    ("H0", "error", "malformed list", 'URI="init-1.mp4"', 'URI="init-1.mp4'),
    ("H0", "error", "no date", "10:00:00.000Z", "10:00:00.000"),
    ("H0", "error", "is no number", "SEQUENCE:100", "SEQUENCE:one"),
    ("H0", "error", "is no duration", "EXTINF:1.800", "EXTINF:long"),
    ("H0", "error", "EXTINF for", r"^#EXTINF:1.8.*\n", ""),
    ("H9", "error", "CAN-SKIP-UNTIL 11", "UNTIL=12.0", "UNTIL=11"),
    ("H11", "error", "without EXT-X-PART-INF", r"^#EXT-X-PART-INF.*\n", ""),
    ("H11", "error", "without PART-HOLD-BACK", "PART-HOLD-BACK=1.5,", ""),
    ("H11", "error", "under two", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9"),
    ("H11", "warning", "under three", "PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.2"),
    ("H11", "error", "HOLD-BACK 5", "HOLD-BACK=6.0", "HOLD-BACK=5"),
    ("H12", "error", "more than PART-TARGET", 'DURATION=0.5,URI="102.1', 'DURATION=0.6,URI="102.1'),
    ("H12", "error", "under 85 %", 'DURATION=0.5,URI="102.1', 'DURATION=0.4,URI="102.1'),
    ("H13", "error", "parts of 1.800", "EXTINF:1.800", "EXTINF:1.900"),
    ("H14", "error", "behind its first", r"^(#EXT-X-PART:.*\n)", "\\1#EXT-X-DISCONTINUITY\n"),
    ("H19", "warning", "2 preload hints", r"^#EXT-X-PRELOAD.*\n", r"\g<0>\g<0>"),
    ("H19", "error", "has ended", r"\Z", "#EXT-X-ENDLIST\n"),
    ("H20", "error", "not a relative", r"\.\./360p", "https://x.example/360p"),
    ("H20", "error", "without LAST-MSN", "LAST-MSN=103,", ""),
    ("H20", "warning", "without LAST-PART", ",LAST-PART=0", ""),
    ("H21", "error", "rounds to more", "EXTINF:2.000,\n100", "EXTINF:2.500,\n100"),
    ("H21", "error", "no EXT-X-TARGETDURATION", r"^#EXT-X-TARGET.*\n", ""),
    ("H22", "error", "behind the first", r"^(#EXT-X-MEDIA-SEQ.*\n)((?s:.*))\Z", r"\2\1"),
    ("H23", "error", "without EXT-X-ENDLIST", r"\Z", "#EXT-X-PLAYLIST-TYPE:VOD\n"),
    ("H23", "error", "have been removed", r"\Z", "#EXT-X-PLAYLIST-TYPE:EVENT\n"),
    ("H24", "warning", "without a discontinuity", r"^#EXT-X-DISCONTINUITY\n", ""),
    ("H25", "error", "from the one before", "10:00:02.000Z", "10:00:03.000Z"),
    ("H25", "warning", "no date after", r"^#EXT-X-PROGRAM.*11:00:00.*\n", ""),
    ("H25", "error", "without EXT-X-PROGRAM", r"(?s)#EXT-X-PROG.*", '#EXT-X-DATERANGE:ID="a"\n'),
    ("H27", "error", "needs 6", "VERSION:6", "VERSION:5"),
    ("H27", "warning", "is enough", "VERSION:6", "VERSION:9"),
    ("H27", "error", "EXT-X-SKIP needs 9", r"\Z", "#EXT-X-SKIP:SKIPPED-SEGMENTS=3\n"),
    ("H30", "error", "with other", r"\Z", '#EXT-X-KEY:METHOD=NONE,URI="k"\n'),
    ("H30", "error", "without URI", r"\Z", "#EXT-X-KEY:METHOD=AES-128\n"),
]  # fmt: skip
FAULTS_VARIANTS: list[Fault] = [
    ("H0", "error", "in a multivariant", r"\Z", "#EXT-X-TARGETDURATION:2\n"),
    ("H28", "error", "no BANDWIDTH", "BANDWIDTH=2000000,AVERAGE-", "AVERAGE-"),
    ("H28", "error", "is more than", "AVERAGE-BANDWIDTH=19", "AVERAGE-BANDWIDTH=29"),
    ("H28", "warning", "no CODECS", r'CODECS="[^"]*",', ""),
    ("H28", "warning", "without RESOLUTION", r"RESOLUTION=1280x720,", ""),
    ("H28", "warning", "without FRAME-RATE", r"FRAME-RATE=30.000,", ""),
    ("H28", "error", "names no group", ',AUDIO="aac"', ',AUDIO="opus"'),
    ("H28", "error", "without a URI", r"^720p.*\n", ""),
    ("H28", "error", "of the same NAME", 'NAME="second"', 'NAME="audio"'),
    ("H28", "error", "2 members with DEFAULT", "DEFAULT=NO", "DEFAULT=YES"),
    ("H28", "error", "without NAME", ',NAME="second"', ""),
]  # fmt: skip
FAULTS_MPD: list[Fault] = [
    ("D0", "error", "no @profiles", r'profiles="[^"]*"', ""),
    ("D0", "error", "is no duration", '"PT2.5S"', '"2.5"'),
    ("D0", "error", "@timescale", 'timescale="90000"', 'timescale="90k"'),
    ("D1", "error", "no @publishTime", r'publishTime="[^"]*"', ""),
    ("D1", "error", "without @id", 'AdaptationSet id="1"', "AdaptationSet"),
    ("D1", "error", "Period ids", 'Period id="2"', 'Period id="1"'),
    ("D2", "error", "none is known", "<UTCTiming[^>]*>", ""),
    ("D4", "warning", "without", 'startNumber="7"', 'startNumber="7" availabilityTimeOffset="1"'),
    ("D5", "error", "gap of 10 ticks", '<S d="90000"', '<S t="1440010" d="90000"'),
    ("D5", "error", "overlap", '<S d="90000"', '<S t="1439000" d="90000"'),
    ("D5", "error", "of duration 0", '<S d="90000"', '<S d="0"'),
    ("D5", "warning", "not merged", '<S d="90000"', '<S d="180000"'),
    ("D7", "error", "both of", 'startNumber="7"', 'startNumber="7" duration="180000"'),
    ("D7", "error", "needs $Number$", r"\$Number\$.m4s", "x.m4s"),
    ("D8", "error", "no end", 'minimumUpdatePeriod="PT1S"', ""),
    ("D8", "error", "years or months", '"PT2.5S"', '"P1MT2S"'),
    ("D8", "error", "2^53", '<S t="900000"', '<S t="9007199254740992"'),
    ("D9", "error", "without @target", 'Latency target="3000"', "Latency"),
    ("D10", "error", "without @wallClock", "<AdaptationSet", r'<ProducerReferenceTime/>\g<0>'),
    ("D10", "error", "repeat", "<AdaptationSet", 2 * "<ProducerReferenceTime/>" + r"\g<0>"),
    ("D12", "error", "maximum 1.5", "PT2.5S", "PT1.5S"),
    ("D12", "error", "no @codecs", r'codecs="[^"]*"', ""),
    ("D13", "error", "was due", 'start="PT10S"', 'start="PT10S" duration="PT5S"'),
    ("D13", "error", "was due", 'start="PT17S"', 'start="PT9S"'),
    ("D13", "error", "is empty", 'start="PT17S"', 'start="PT17S" duration="PT0S"'),
]  # fmt: skip


def is_found(text: str, fault: Fault) -> bool:
    rule, severity, words, pattern, replacement = fault
    broken = re.sub(pattern, replacement, text, count=0, flags=re.M)
    assert broken != text
    return any(
        (finding.rule, finding.severity.value) == (rule, severity) and words in finding.text
        for finding in inspected(broken).findings
    )


@pytest.mark.parametrize("fault", FAULTS_MEDIA, ids=lambda fault: f"{fault[0]} {fault[2]}")
def test_each_fault_of_a_media_playlist_is_found(fault: Fault) -> None:
    assert is_found(MEDIA, fault)


@pytest.mark.parametrize("fault", FAULTS_VARIANTS, ids=lambda fault: f"{fault[0]} {fault[2]}")
def test_each_fault_of_a_multivariant_playlist_is_found(fault: Fault) -> None:
    assert is_found(VARIANTS, fault)


@pytest.mark.parametrize("fault", FAULTS_MPD, ids=lambda fault: f"{fault[0]} {fault[2]}")
def test_each_fault_of_an_mpd_is_found(fault: Fault) -> None:
    assert is_found(MPD, fault)


def test_parts_that_are_listed_for_too_long_are_found() -> None:
    segment = '#EXT-X-PART:DURATION=0.5,URI="{0}.0.m4s"\n#EXTINF:0.500,\n{0}.m4s\n'
    listed = "".join(segment.format(number) for number in range(104, 124))
    findings = inspected(
        MEDIA[: MEDIA.index('#EXT-X-PART:DURATION=0.5,URI="103')] + listed
    ).findings
    assert [f.rule for f in findings if f.rule == "H15"]


def test_every_rule_has_a_broken_stream_that_shows_it() -> None:
    shown = {fault[0] for fault in FAULTS_MEDIA + FAULTS_VARIANTS + FAULTS_MPD}
    shown |= {rule for rule, _, _ in FAULTS_HLS + FAULTS_DASH}
    assert shown | {"H15", "C4"} == RULES.keys()


def test_a_file_of_boxes_shows_its_tree_and_samples(tmp_path: Path) -> None:
    track = track_of(Codec.H264)
    file = tmp_path / "copy.mp4"
    data = write_init_section(track) + write_chunk(track, samples_of(track), 1, styp=True)
    file.write_bytes(data)
    report = inspect_file(file)
    assert report.findings == []
    labels = [node.label for node in report.tree.children]
    assert [label.split()[0] for label in labels] == ["ftyp", "moov", "styp", "moof", "mdat", "4"]
    assert "avc1.64001f 1280x720" in labels[-1]


def test_a_sample_that_is_shown_before_the_first_one_is_found(tmp_path: Path) -> None:
    track = track_of(Codec.H264)
    samples = samples_of(track)[1:]
    data = write_init_section(track) + write_chunk(track, samples, 1)
    report = Report("x")
    inspect_bytes(report, data, "x.mp4")
    assert {finding.rule for finding in report.errors} == {"C3", "C4"}


def test_the_init_section_can_be_inspected_alone(tmp_path: Path) -> None:
    report = Report("x")
    inspect_bytes(report, write_init_section(track_of(Codec.OPUS)), "init.mp4")
    assert report.findings == []


@pytest.mark.parametrize(
    "data", [b"", b"nothing of the kind", b"<html></html>", b"<MPD", b"\0" * 99]
)
def test_what_is_none_of_it_cannot_be_inspected(data: bytes, tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_bytes(data)
    with pytest.raises(UnreadableError):
        inspect_file(file)


def test_a_missing_file_cannot_be_inspected(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="No such file"):
        inspect_file(tmp_path / "nothing")


def test_an_mpd_with_entities_is_not_read() -> None:
    with pytest.raises(UnreadableError, match="document type"):
        inspected('<?xml version="1.0"?><!DOCTYPE MPD [<!ENTITY a "b">]><MPD/>')
