"""The worker process that encodes one slate: `python -m streaming.slate.worker <fd>`.

It gets a SlateSetup, sends SlateReady or SlateFailure, and ends when the origin closes the link.
"""

from __future__ import annotations

import os
import sys
from typing import Final

import av
from av.error import FFmpegError

from segmenter.errors import SegmenterError
from streaming.errors import LinkBrokenError, StreamingError
from streaming.link import BlockingLink
from streaming.slate.encode import encode_slate
from streaming.slate.messages import SlateFailure, SlateNews, SlateSetup
from streaming.worker_entry import enter_worker

NICENESS: Final = 10
"""Nobody waits for a slate while a publisher is live, and encoders of live media do."""


def main(arguments: list[str]) -> int:
    """Encodes one slate."""
    av.logging.set_level(None)  # libav's logging callback deadlocks with threads
    os.environ.setdefault("SVT_LOG", "1")  # SVT-AV1 otherwise introduces itself on stderr
    os.nice(NICENESS)
    link: BlockingLink[SlateNews] = enter_worker(arguments, SlateSetup)
    messages = link.messages()
    setup = next(messages, None)
    if not isinstance(setup, SlateSetup):
        return 1
    try:
        link.send(_encode(setup))
    except LinkBrokenError:
        return 1
    for _ in messages:  # until the origin has read it
        pass
    return 0


def _encode(setup: SlateSetup) -> SlateNews:
    try:
        return encode_slate(setup)
    except (StreamingError, SegmenterError, FFmpegError, ValueError) as error:
        return SlateFailure(str(error))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
