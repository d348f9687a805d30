"""Reads a file or a stream by FFmpeg into the outlet: once, again and again, or live."""

from __future__ import annotations

import av
from av.container import InputContainer

from segmenter.media import Sample
from streaming.errors import RemoteError
from streaming.ingest.demux import Demuxer, is_recording, open_input, read_packets, sentence
from streaming.ingest.outlet import Outlet
from streaming.ingest.pacing import Item, Reel


def read_url(url: str, outlet: Outlet, *, loop: bool) -> None:
    """Returns when the source has ended and is not to be begun again.

    Raises RemoteError with one sentence, MediaError when the source's bytes are broken.
    """
    feed: RecordingFeed | None = None
    while True:
        outlet.note_alive()
        with open_input(url) as container:
            if not is_recording(container, url):
                _read_once(url, container, outlet, LiveFeed(outlet))
                raise RemoteError(f"{url}: the stream has ended")
            feed = feed or RecordingFeed(outlet)
            _read_once(url, container, outlet, feed)
        feed.end_pass()
        if not loop:
            return


def _read_once(
    url: str, container: InputContainer, outlet: Outlet, feed: LiveFeed | RecordingFeed
) -> None:
    demuxer = Demuxer(container)
    try:
        for packet in read_packets(container, demuxer.streams):
            outlet.note_alive()
            for item in demuxer.push(packet):
                feed.take(item)
    except av.FFmpegError as error:
        raise RemoteError(sentence(url, error)) from error
    for item in demuxer.flush():
        feed.take(item)


class LiveFeed:
    """Hands on what comes as it comes."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet

    def take(self, item: Item) -> None:
        """A sample, or the complete list of tracks from here on."""
        if isinstance(item, Sample):
            self._outlet.write(item)
        else:
            self._outlet.set_tracks(item)


class RecordingFeed:
    """Hands on a recording in real time, pass after pass on one rising clock."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._reel = Reel()

    def take(self, item: Item) -> None:
        """A sample, or the complete list of tracks from here on."""
        self._send(self._reel.push(item))

    def end_pass(self) -> None:
        """The recording has ended; what comes next is its beginning. Raises RemoteError when it
        has no length."""
        self._send(self._reel.flush())
        if not self._reel.end_pass():
            raise RemoteError("the recording has no length")

    def _send(self, items: list[Item]) -> None:
        for item in items:
            if isinstance(item, Sample):
                self._outlet.write_paced(item)
            else:
                self._outlet.set_tracks(item)
