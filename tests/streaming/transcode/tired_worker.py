"""A transcoder that tells of each source's tracks, and of its first one that it is too much."""

from __future__ import annotations

import sys

from streaming.transcode.messages import (
    RungStatus,
    StartMessage,
    StatusMessage,
    ToTranscoder,
    TracksMessage,
)
from streaming.worker_entry import enter_worker


def main(arguments: list[str]) -> None:
    link = enter_worker(arguments, ToTranscoder)
    is_first = True
    for message in link.messages():
        if not isinstance(message, StartMessage) or message.video is None:
            continue
        link.send(TracksMessage((message.video,)))
        if is_first:
            rungs = (RungStatus("mid", "libx264", "configured", 30.0, 0, shed=True),)
            link.send(StatusMessage(rungs=rungs, trouble="the machine is too slow"))
        is_first = False


if __name__ == "__main__":
    main(sys.argv[1:])
