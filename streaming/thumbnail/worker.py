"""The process that makes thumbnails: `python -m streaming.thumbnail.worker <fd>`.

It decodes one key frame after the other for a delivery process, at the lowest priority, and ends
with the link. Whatever media do to it is felt by nobody else.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
from typing import Final

import av

from streaming.errors import LinkBrokenError
from streaming.link import BlockingLink
from streaming.thumbnail.messages import KeyFrame, Still
from streaming.thumbnail.still import NoPictureError, key_frame_jpeg
from streaming.worker_entry import enter_worker

NICENESS: Final = 19
"""A picture that comes late harms nobody."""
MEMORY_BYTES: Final = 2 << 30
"""Address space: FFmpeg's libraries take 400 MB of it, an 8K picture and its copy 150 MB."""


def main(arguments: list[str]) -> int:
    """Answers until the other end has gone."""
    av.logging.set_level(None)  # libav's logging callback deadlocks with threads
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    link: BlockingLink[KeyFrame] = enter_worker(arguments, KeyFrame)
    with contextlib.suppress(LinkBrokenError):
        for message in link.messages():
            link.send(_still(message))
    return 0


def _still(message: KeyFrame) -> Still:
    try:
        return Still(key_frame_jpeg(message.media))
    except NoPictureError:
        return Still(b"")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
