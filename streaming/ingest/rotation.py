"""Video that a phone took sideways: its file says how players turn it, which no stream can say."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
from av.container import InputContainer
from av.filter.graph import Graph
from av.video.frame import VideoFrame

from streaming.transcode.filter_graph import open_graph
from streaming.transcode.rung_encoder import keep_colours

_FILTERS = {90: ("transpose=cclock",), 180: ("hflip", "vflip"), 270: ("transpose=clock",)}


def rotation_of(container: InputContainer) -> int:
    """How far the first video of a file is turned counter-clockwise, degrees: 0, 90, 180 or 270.

    The file is looked at once more, as FFmpeg tells it with a decoded frame only.
    """
    is_mp4 = "mp4" in container.format.name.split(",")
    if not is_mp4 or not container.streams.video or not Path(container.name).is_file():
        return 0
    try:
        with av.open(container.name) as twin:
            frame = next(iter(twin.decode(video=0)), None)
    except av.FFmpegError:
        return 0
    return round(frame.rotation / 90) % 4 * 90 if frame is not None else 0


class Turn:
    """Owns the filter graph that turns frames by `degrees`; used by one thread."""

    def __init__(self, degrees: int) -> None:
        self._filters = _FILTERS.get(degrees, ())
        self._graph: Graph | None = None
        self.swaps_sides = degrees in (90, 270)

    def apply(self, frame: VideoFrame) -> VideoFrame:
        """The frame as it is to be seen, its colours as they were; its pts is to be set anew."""
        if not self._filters:
            return frame
        graph = self._graph = self._graph or open_graph(frame, Fraction(1), *self._filters)
        frame.time_base = Fraction(1)
        graph.vpush(frame)
        turned = graph.vpull()
        keep_colours(frame, turned)
        return turned
