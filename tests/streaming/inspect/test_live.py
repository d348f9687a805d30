"""A live stream as it should be passes; each fault put into it is found under its rule."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from streaming.inspect.report import UnreadableError
from tests.segmenter.fmp4.encodes import EPOCH_S

from .fake_origin import FakeOrigin, inspect

HLS, DASH = "index.m3u8", "manifest.mpd"
Fault = Callable[[FakeOrigin], None]


def text(url: str, old: str, new: str, first_get: int = 1) -> Fault:
    return lambda origin: origin.change(url, old, new, first_get=first_get)


def header(url: str, name: str, value: str | None) -> Fault:
    return lambda origin: origin.set_header(url, name, value)


def bytes_of(url: str, old: bytes, new: bytes) -> Fault:
    return lambda origin: origin.change_bytes(url, lambda data: data.replace(old, new))


def stall(origin: FakeOrigin) -> None:
    origin.stalled = True


def late_tfdt(data: bytes) -> bytes:
    """Its decode time one second later, in ticks of 90,000."""
    at = data.index(b"tfdt") + 8
    moved = int.from_bytes(data[at : at + 8]) + 90_000
    return data[:at] + moved.to_bytes(8) + data[at + 8 :]


def later_segments(origin: FakeOrigin) -> None:
    origin.change_bytes(r"360p/\d+\.m4s", late_tfdt)


def later_by_a_frame(data: bytes) -> bytes:
    at = data.index(b"tfdt") + 8
    moved = int.from_bytes(data[at : at + 8]) + 3600
    return data[:at] + moved.to_bytes(8) + data[at + 8 :]


def numbers_from_the_window(origin: FakeOrigin) -> None:
    """@duration instead of a timeline, but startNumber is not that of the period's start."""
    origin.change(DASH, r"<SegmentTimeline>(\s|\S)*?</SegmentTimeline>", "")
    origin.change(DASH, 'timescale="90000"', 'timescale="90000" duration="108000"')


def best_rung_left(data: bytes) -> bytes:
    """@duration instead of timelines; after two segments a period begins without the source."""
    text = re.sub(r"<SegmentTimeline>[\s\S]*?</SegmentTimeline>", "", data.decode())
    text = text.replace('timescale="90000"', 'timescale="90000" duration="108000"')
    text = text.replace('timescale="48000"', 'timescale="48000" duration="57600"')
    (period,) = re.findall(r"<Period[\s\S]*</Period>", text)
    without = re.sub(r'<Representation id="source"[\s\S]*?</Representation>', "", period)
    parts = begun_at(period, 0, 0.6, 364_326_401), begun_at(without, 1, 3.0, 364_326_403)
    return text.replace(period, "".join(parts)).encode()


def begun_at(period: str, name: int, second: float, number: int) -> str:
    """The period with another beginning, seconds after the stream's."""
    period = re.sub(r'id="0" start="[^"]*"', f'id="{name}" start="PT{EPOCH_S + second}S"', period)
    period = re.sub(r'startNumber="\d+"', f'startNumber="{number}"', period)
    return re.sub(
        r'(timescale="(\d+)".*? presentationTimeOffset=)"\d+"',
        lambda found: f'{found[1]}"{round((EPOCH_S + second) * int(found[2]))}"',
        period,
    )


def fallen_discontinuity(origin: FakeOrigin) -> None:
    origin.change("^360p/index", r"(Y-SEQUENCE:)\d+$", r"\g<1>9")
    origin.change("^360p/index", r"(Y-SEQUENCE:)\d+$", r"\g<1>0", first_get=3)


@pytest.mark.parametrize("name", [HLS, DASH, "source/index.m3u8", "audio/index.m3u8"])
def test_a_stream_as_it_should_be_passes(name: str) -> None:
    report = inspect(FakeOrigin(), name, watch_s=8.0)
    assert report.findings == []
    assert report.exit_status == 0


def test_without_a_timeline_nothing_is_expected_beyond_the_end_of_a_period() -> None:
    origin = FakeOrigin()
    origin.change_bytes(DASH, best_rung_left)
    origin.set_header(r"source/36432640[3-9]\.m4s", ":status", "404")
    assert inspect(origin, DASH).errors == []
    assert "source/364326402.m4s" in origin.asked
    assert "360p/364326405.m4s" in origin.asked


def test_a_segment_before_the_end_of_a_period_is_missed() -> None:
    origin = FakeOrigin()
    origin.change_bytes(DASH, best_rung_left)
    origin.set_header(r"source/364326402\.m4s", ":status", "404")
    assert [finding.rule for finding in inspect(origin, DASH).errors] == ["D3"]


def test_the_tree_names_renditions_and_what_was_measured() -> None:
    tree = str(inspect(FakeOrigin(), HLS).to_builtins()["tree"])
    assert "360p/index.m3u8 160x96" in tree
    assert "mp4a.40.2 48000 Hz 2 channels" in tree


VIDEO_LIST = r"^360p/index.m3u8"
FAULTS_HLS: list[tuple[str, str, Fault]] = [
    ("H0", "begins with a byte order mark", text(VIDEO_LIST, r"\A", "\xef\xbb\xbf")),
    ("H16", "no new segment for", stall),
    ("H21", "TARGETDURATION went", text(VIDEO_LIST, "DURATION:1$", "DURATION:2", 3)),
    ("H21", "TARGETDURATION 2, source", text("^360p/index", "DURATION:1$", "DURATION:2")),
    ("H22", "MEDIA-SEQUENCE fell", text(VIDEO_LIST, r"SEQUENCE:\d+$", "SEQUENCE:5", 3)),
    ("H22", "DISCONTINUITY-SEQUENCE fell", fallen_discontinuity),
    ("H23", "EXTINF went", text(VIDEO_LIST, r"EXTINF:1.2", "EXTINF:1.1", 3)),
    ("H23", "now x", text(VIDEO_LIST, r"^(\d+.m4s)", r"x\1", 3)),
    ("H24", "discontinuity sequence number", text(VIDEO_LIST, r"(Y-SEQUENCE:)\d+$", r"\g<1>9")),
    ("H24", "from where segment", lambda o: o.change_bytes(r"360p/\d*[02468]\.m4s", late_tfdt)),
    ("H25", "or in source", text(VIDEO_LIST, r"^#EXT-X-PROGRAM-DATE-TIME.*\n", "")),
    ("H25", "from what", later_segments),
    ("H26", "differs", text(VIDEO_LIST, r"\Z", "#EXT-X-SERVER-CONTROL:HOLD-BACK=9\n")),
    ("H28", "CODECS", text("^index", "avc1.[0-9a-f]+", "avc1.640033")),
    ("H28", "CODECS", text("^index", ",mp4a.40.2", "")),
    ("H28", "BANDWIDTH 1000,", text("^index", r"BANDWIDTH=\d+,A", "BANDWIDTH=1000,A")),
    ("H29", "HTTP status 404", header(r"source/\d+.m4s", ":status", "404")),
    ("H29", "http://[", text(VIDEO_LIST, r'URI="init', 'URI="http://[')),
    ("H29", "http://[", text("^index", "^360p/", "http://[")),
    ("H29", "HTTP status 410", header("source/init", ":status", "410")),
    ("H29", "HTTP status 500", header("audio/index", ":status", "500")),
    ("H29", "Content-Type", header(r"source/\d+.m4s", "content-type", "text/html")),
    ("H29", "Content-Type", header("^index", "content-type", "text/plain")),
    ("H29", "longer than a segment", header("source/index", "cache-control", "max-age=60")),
    ("H31", "Allow-Origin", header("source/init", "access-control-allow-origin", None)),
    ("H31", "Allow-Origin", header("^index", "access-control-allow-origin", "http://x.example")),
    ("H32", "RESOLUTION", text("^index", "RESOLUTION=160x96", "RESOLUTION=320x192")),
    ("H32", "its samples last", text(VIDEO_LIST, "EXTINF:1.2", "EXTINF:0.9")),
    ("C1", "cmfc", bytes_of("source/init", b"cmfccmf2", b"isomisom")),
    ("C2", "", bytes_of(r"source/\d+.m4s", b"tfhd\0\2", b"tfhd\0\0")),
    ("C3", "styp", bytes_of(r"source/\d+.m4s", b"cmf", b"dmf")),
    ("C5", "begins", lambda o: o.change_bytes(r"360p/\d+\.m4s", later_by_a_frame)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "words", "fault"), FAULTS_HLS)
def test_each_fault_of_a_live_hls_stream_is_found(rule: str, words: str, fault: Fault) -> None:
    origin = FakeOrigin()
    fault(origin)
    report = inspect(origin, HLS, watch_s=4.0)
    assert any(words in finding.text for finding in report.errors if finding.rule == rule)
    assert report.exit_status == 1


FAULTS_DASH: list[tuple[str, str, Fault]] = [
    ("D0", "namespace", text(DASH, "schema:mpd:2011", "schema:mpd:1999")),
    ("D1", "availabilityStartTime changed", text(DASH, "1970-01-01T00", "1970-01-01T01", 2)),
    ("D1", "@start went", text(DASH, r' start="PT\d+', ' start="PT5', 2)),
    ("D1", "went from", text(DASH, r'id="360p"', 'id="361p"', 2)),
    ("D1", "AdaptationSets went", text(DASH, 'Set id="1"', 'Set id="8"', 2)),
    ("D1", "Offset went", text(DASH, r'(presentationTimeOffset=)"\d', r'\1"', 2)),
    ("D2", "HTTP status 404", text(DASH, '"/time"', '"/nowhere"')),
    ("D2", "from the Date header", text("^time", "^20", "19")),
    ("D2", "none is known", text(DASH, "utc:http-xsdate:2014", "utc:http-xsdate:2008")),
    ("D3", "HTTP status 404", header(r"source/\d+.m4s", ":status", "404")),
    ("D3", "answered with 200", header(r"source/\d+.m4s", ":status", "200")),
    ("D5", "gap", text(DASH, r'(<S [^>]*)d="(\d+)" r="(\d+)"', r'<S t="5" d="9"/>\1d="\2" r="\3"')),
    ("D5", "the segment begins", text(DASH, r'<S t="\d+"', '<S t="5"')),
    ("D5", "ticks measured", text(DASH, r' d="1\d+"', ' d="90000"')),
    ("D6", "off", numbers_from_the_window),
    ("D7", "neither", text(DASH, r"<SegmentTimeline>(\s|\S)*?</SegmentTimeline>", "")),
    ("D7", "needs", text(DASH, r"/\$Number\$", "/$Number$-$Time$")),
    ("D8", "no end", text(DASH, r' minimumUpdatePeriod="[^"]*"', "")),
    ("D12", "@codecs", text(DASH, "avc1.[0-9a-f]+", "avc1.640033")),
    ("D12", "@width", text(DASH, ' width="160"', ' width="320"')),
    ("D12", "maximum", text(DASH, 'maxSegmentDuration="[^"]*"', 'maxSegmentDuration="PT1S"')),
    ("D14", "Content-Type", header(DASH, "content-type", "text/xml")),
    ("D14", "no Date", header(DASH, "date", None)),
    ("D14", "cached", header(DASH, "cache-control", "max-age=60")),
    ("C5", "begins", lambda o: o.change_bytes(r"360p/\d+\.m4s", later_by_a_frame)),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "words", "fault"), FAULTS_DASH)
def test_each_fault_of_a_live_dash_stream_is_found(rule: str, words: str, fault: Fault) -> None:
    origin = FakeOrigin()
    fault(origin)
    report = inspect(origin, DASH, watch_s=4.0)
    assert any(words in finding.text for finding in report.errors if finding.rule == rule)


def test_a_url_that_answers_with_an_error_cannot_be_inspected() -> None:
    with pytest.raises(UnreadableError, match="HTTP status 404"):
        inspect(FakeOrigin(), "nothing.m3u8")


def test_an_answer_that_is_no_playlist_cannot_be_inspected() -> None:
    origin = FakeOrigin()
    origin.change("^index", r"(?s).+", "<html>")
    with pytest.raises(UnreadableError):
        inspect(origin, HLS)


def test_the_address_of_a_streams_page_stands_for_its_playlist() -> None:
    origin = FakeOrigin()
    origin.set_header("^$", ":status", "200")
    origin.set_header("^$", "content-type", "text/html")
    report = inspect(origin, "")
    assert not report.errors
    assert "index.m3u8" in origin.asked
    origin.set_header("^index", ":status", "404")
    with pytest.raises(UnreadableError, match=r"index\.m3u8: HTTP status 404"):
        inspect(origin, "")
    origin.set_header("^page", ":status", "200")
    origin.set_header("^page", "content-type", "text/html")
    with pytest.raises(UnreadableError, match="a web page"):
        inspect(origin, "page.html")
