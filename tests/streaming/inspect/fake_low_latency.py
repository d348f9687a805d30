"""A low-latency origin without sockets: parts of 200 ms, there a known time after their end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from segmenter.fmp4.fragment import ProducerReference, write_fragment
from segmenter.fmp4.init_section import write_init_section
from segmenter.hls.media_lines import format_date_time
from segmenter.media import Codec, Sample
from streaming.inspect.fetch import Answer
from streaming.inspect.report import UnreadableError
from tests.segmenter.fmp4.encodes import EPOCH_S, encode

BASE = "http://origin.example/live/"
PART_S = 0.2
PARTS = 5
"""In a segment of one second."""
RATE = 25
FIRST_MSN = EPOCH_S
"""A segment's number is its second."""


class LowLatencyOrigin:
    """Answers as a blocking origin does; ``delay_s`` after its end each part is there.

    Waiting is what its requests do: the clock goes on to the moment of the answer.
    """

    def __init__(self, delay_s: float = 0.05, ato_s: float = 0.8) -> None:
        self.track = encode(Codec.H264)[0]
        self.delay_s = delay_s
        self.ato_s = ato_s
        self.now_utc = EPOCH_S + 10.0
        self.stands_from = float("inf")
        """No part that ends later ever appears."""
        self.status = 200
        self.has_dates = True
        self.ended = False
        self.asked: list[str] = []

    def clock(self) -> float:
        """Seconds since 1970."""
        return self.now_utc

    def wait(self, seconds: float) -> None:
        """Time passes."""
        self.now_utc += seconds

    def get(self, url: str, byte_range: str = "") -> Answer:
        """See Fetcher."""
        self.asked.append(url)
        name = urlsplit(url).path.removeprefix("/live/")
        if name == "index.m3u8" and self.status == 200:
            self._hold({key: int(value[0]) for key, value in parse_qs(urlsplit(url).query).items()})
        body = self._body(name)
        return Answer(url, self.status if body else 404, {}, body)

    def stream(self, url: str) -> Iterator[bytes]:
        """See StreamFetcher: a growing segment, part by part as they appear."""
        msn = int(url.rpartition("/")[2].removesuffix(".m4s"))
        for part in range(PARTS):
            end = msn + (part + 1) * PART_S
            if end > self.stands_from:
                raise UnreadableError("cut off")
            self.now_utc = max(self.now_utc, end + self.delay_s)
            data = self._part(msn, part)
            yield data[:20]
            yield data[20:]

    def _body(self, name: str) -> bytes:
        if name == "index.m3u8":
            return self._playlist().encode()
        if name == "manifest.mpd":
            return self._mpd().encode()
        if name == "init.mp4":
            return write_init_section(self.track)
        match = re.fullmatch(r"(\d+)\.(\d+)\.m4s", name)
        return self._part(int(match[1]), int(match[2])) if match else b""

    def _hold(self, directives: dict[str, int]) -> None:
        """Until the part that is asked for is there, and three target durations at most."""
        if "_HLS_msn" not in directives:
            return
        end = directives["_HLS_msn"] + (directives.get("_HLS_part", PARTS - 1) + 1) * PART_S
        appears = end + self.delay_s if end <= self.stands_from else self.now_utc + 3.0
        self.now_utc = max(self.now_utc, appears)

    def _count(self) -> int:
        """Parts that are there since the first segment began."""
        edge = min(self.now_utc - self.delay_s, self.stands_from)
        return int((edge - FIRST_MSN) / PART_S + 1e-6)

    def _playlist(self) -> str:
        segments, parts = divmod(self._count(), PARTS)
        first = FIRST_MSN + max(0, segments - 6)
        lines = [
            "#EXTM3U", "#EXT-X-TARGETDURATION:1", f"#EXT-X-PART-INF:PART-TARGET={PART_S}",
            "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=0.6",
            f"#EXT-X-MEDIA-SEQUENCE:{first}", '#EXT-X-MAP:URI="init.mp4"',
        ]  # fmt: skip
        for msn in range(first, FIRST_MSN + segments):
            lines += [*self._lines(msn, PARTS), "#EXTINF:1.0,", f"{msn}.m4s"]
        lines += self._lines(FIRST_MSN + segments, parts)
        return "\n".join([*lines, *(["#EXT-X-ENDLIST"] if self.ended else []), ""])

    def _lines(self, msn: int, parts: int) -> list[str]:
        date = f"#EXT-X-PROGRAM-DATE-TIME:{format_date_time(msn, 1)}"
        listed = [f'#EXT-X-PART:DURATION={PART_S},URI="{msn}.{n}.m4s"' for n in range(parts)]
        return [*([date] if self.has_dates else []), *listed]

    def _mpd(self) -> str:
        ato = f'availabilityTimeOffset="{self.ato_s}"' if self.ato_s else ""
        period = "" if self.ended else 'minimumUpdatePeriod="PT5S"'
        return f"""<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="dynamic"
          availabilityStartTime="1970-01-01T00:00:00Z" {period}>
          <Period id="0" start="PT0S">
          <AdaptationSet id="0" contentType="video" mimeType="video/mp4">
          <SegmentTemplate timescale="1" duration="1" startNumber="0" {ato}
            media="$Number$.m4s" initialization="init.mp4"/>
          <Representation id="360p" bandwidth="1"/></AdaptationSet></Period></MPD>"""

    def _part(self, msn: int, part: int) -> bytes:
        ticks, frames = self.track.timescale // RATE, round(PART_S * RATE)
        start = msn * self.track.timescale + part * frames * ticks
        samples = [
            Sample("source", start + i * ticks, start + i * ticks, b"picture", i == 0, ticks)
            for i in range(frames)
        ]
        captured = ProducerReference(msn + part * PART_S, start)
        return b"".join(write_fragment(self.track, samples, part, producer_time=captured))
