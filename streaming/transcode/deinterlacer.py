"""Interlaced frames in, whole ones out: fields that are scaled together leave combs for good."""

from __future__ import annotations

from fractions import Fraction

from av.error import BlockingIOError as NotYet
from av.error import EOFError as AtEnd
from av.filter.graph import Graph
from av.video.frame import VideoFrame

from segmenter.media import VIDEO_TIMESCALE
from streaming.transcode.filter_graph import open_graph
from streaming.transcode.rung_encoder import keep_colours
from streaming.transcode.video_decoder import DecodedFrame

_TIME_BASE = Fraction(1, VIDEO_TIMESCALE)
_FILTER = "bwdif=mode=send_frame:parity=auto:deint=interlaced"
"""One frame of each, so that the frame rate stays; progressive ones among them are passed on."""


class Deinterlacer:
    """Owns a filter graph from the first interlaced frame on; used by one thread.

    Until then frames pass untouched; afterwards each comes out with its own times when the next
    one is there, which bwdif looks at.
    """

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._shape: tuple[int, int, str] = (0, 0, "")
        self._inside: dict[int, DecodedFrame] = {}

    def push(self, decoded: DecodedFrame) -> list[DecodedFrame]:
        """Takes one frame; those that are whole."""
        frame = decoded.frame
        if self._graph is None and not frame.interlaced_frame:
            return [decoded]
        made = []
        shape = (frame.width, frame.height, frame.format.name)
        if self._graph is not None and shape != self._shape:
            made = self.flush()
        if self._graph is None:
            self._graph, self._shape = open_graph(frame, _TIME_BASE, _FILTER), shape
        self._inside[decoded.pts] = decoded
        frame.pts, frame.time_base = decoded.pts, _TIME_BASE
        self._graph.vpush(frame)
        return made + self._pull(self._graph)

    def flush(self) -> list[DecodedFrame]:
        """The frame still inside; the next interlaced one begins anew."""
        graph, self._graph = self._graph, None
        if graph is None:
            return []
        graph.vpush(None)
        made = self._pull(graph)
        self._inside.clear()
        return made

    def _pull(self, graph: Graph) -> list[DecodedFrame]:
        made: list[DecodedFrame] = []
        while True:
            try:
                frame = graph.vpull()
            except (NotYet, AtEnd):
                return made
            made.append(self._describe(frame))

    def _describe(self, frame: VideoFrame) -> DecodedFrame:
        assert frame.pts is not None
        assert frame.time_base is not None
        pts = round(frame.pts * frame.time_base / _TIME_BASE)
        source = self._inside.pop(pts)
        keep_colours(source.frame, frame)
        return DecodedFrame(frame, pts, source.captured_utc)
