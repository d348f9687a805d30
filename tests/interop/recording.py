"""What a recording's pictures are, as PyAV reads them."""

from __future__ import annotations

from pathlib import Path

import av


def key_frames(media: bytes, file: Path) -> tuple[tuple[int, int], list[float]]:
    """The size of the pictures, and when those that anything can begin with are shown."""
    file.write_bytes(media)
    with av.open(str(file)) as container:
        stream = container.streams.video[0]
        times = [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.is_keyframe and packet.pts is not None
        ]
        return (stream.width, stream.height), times
