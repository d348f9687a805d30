"""Pushes over RTMP with FFmpeg 8: ``CLIP URL`` a clip's packets, ``av1 URL`` a second of AV1.

AV1 is encoded here, since FFmpeg's AV1 decoder cannot be the template of an output stream.
"""

from __future__ import annotations

import sys

import av
import numpy as np
from av.container import OutputContainer

from streaming.cpu_priority import give_up_raising_priority

AV1_SIZE = (192, 108)
AV1_FRAMES = 30


def push_clip(clip: str, output: OutputContainer) -> None:
    """All packets, as fast as the server takes them."""
    with av.open(clip) as source:
        streams = {each.index: output.add_stream_from_template(each) for each in source.streams}
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                output.mux(packet)


def push_av1(output: OutputContainer) -> None:
    """Grey frames that grow lighter, a key frame each 15."""
    give_up_raising_priority()
    stream = output.add_stream("libsvtav1", rate=30, options={"preset": "12", "g": "15"})
    stream.width, stream.height = AV1_SIZE
    stream.pix_fmt = "yuv420p"
    for index in range(AV1_FRAMES):
        picture = np.full((AV1_SIZE[1], AV1_SIZE[0], 3), index * 8, np.uint8)
        output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
    output.mux(stream.encode(None))


def main() -> None:
    what, url = sys.argv[1:]
    with av.open(url, "w", format="flv") as output:
        if what == "av1":
            push_av1(output)
        else:
            push_clip(what, output)


if __name__ == "__main__":
    main()
