"""Filters of FFmpeg's in a row, on frames of one shape."""

from __future__ import annotations

from fractions import Fraction

from av.filter.graph import Graph
from av.video.frame import VideoFrame


def open_graph(frame: VideoFrame, time_base: Fraction, *filters: str) -> Graph:
    """For frames of this one's size and format, on the caller's thread; each of ``filters`` is a
    name, or a name, "=" and its arguments."""
    graph = Graph()
    graph.threads = 1
    nodes = [
        graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=time_base
        )
    ]
    for filter_ in filters:
        name, _, arguments = filter_.partition("=")
        nodes.append(graph.add(name, arguments or None))
    graph.link_nodes(*nodes, graph.add("buffersink")).configure()
    return graph
