"""FLV tags, as RTMP carries them, to tracks and samples.

A publisher's tracks are known when the kinds it announced (onMetaData) have sent their
configuration and the first picture or sound has come: encoders send all configurations before
that. Should one stay away, the rest starts without it after a second of media. From then on every
change of configuration gives the complete list again, before the first sample it applies to.

Times stay the publisher's: 32-bit milliseconds, pts being dts plus composition offset.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from segmenter.errors import MediaError
from segmenter.media import Codec, MediaType, Payload, Sample, Track
from segmenter.native_choice import native
from streaming.errors import MalformedTag, RtmpError, UnsupportedMedia
from streaming.ingest.flv_lane import FlvLane
from streaming.ingest.flv_metadata import Metadata, read_metadata
from streaming.ingest.flv_packet import FlvPacket, PacketKind
from streaming.ingest.flv_rules import ordinary_rules
from streaming.ingest.flv_tag import read_audio_tag, read_video_tag
from streaming.ingest.rtmp import messages
from streaming.ingest.rtmp.amf0 import read_values
from streaming.ingest.rtmp.messages import Message

if TYPE_CHECKING:
    from segmenter._samples import TagReader

TRACK_WAIT_MS = 1_000
"""Media time to wait for an announced track. Encoders start both within 200 ms; what comes later
joins then, at the price of one change of tracks."""

MAX_HELD_SAMPLES = 256
"""While waiting: two seconds of 60 fps video and audio, should timestamps stand still."""

MAX_HELD_BYTES = 8 * 1024 * 1024
"""While waiting: a second of 60 Mb/s."""

MAX_BAD_TAGS = 100
"""In a row that cannot be read: two seconds of a broken encoder. One good sample forgives."""

MAX_TRACKS = 8
"""Of one kind. Multitrack encoders send up to six qualities, broadcasters up to eight languages."""

MAX_CHANGES = 60
"""Changes of tracks within CHANGE_WINDOW_S: each makes init sections and a discontinuity."""

CHANGE_WINDOW_S = 60.0

_NAMES = {MediaType.VIDEO: "source", MediaType.AUDIO: "audio"}
_BOTH = frozenset(MediaType)
_HALF = 1 << 31
_WRAP = 1 << 32
_NO_CONFIG = memoryview(b"")
_TAG_HEADER_BYTES = 11
_BACK_POINTER_BYTES = 4


@dataclass(frozen=True, slots=True)
class TracksReady:
    """The complete list of the publisher's tracks, video first; replaces every list before."""

    tracks: tuple[Track, ...]


Demuxed: TypeAlias = TracksReady | Sample


@dataclass(frozen=True, slots=True)
class DemuxerStatistics:
    """Counters of one publication."""

    samples: int
    bad_tags: int
    """Tags that could not be read and were left out."""
    left_out: int
    """Tags of further tracks over MAX_TRACKS."""
    track_changes: int


class OrdinaryRun:
    """The messages of one read that C takes from their chunks, see `OrdinaryMedia`."""

    __slots__ = ("_now_utc", "_reader", "samples")

    def __init__(self, reader: TagReader, now_utc: float) -> None:
        self._reader = reader
        self._now_utc = now_utc
        self.samples: list[Demuxed] = []
        """One of each message."""

    @property
    def count(self) -> int:
        """How many messages it has taken."""
        return len(self.samples)

    def read_chunks(self, data: bytes, position: int, longest: int, streams: dict[int, Any]) -> int:
        """See OrdinaryMedia."""
        return self._reader.read_chunks(
            data, position, longest, streams, self._now_utc, self.samples
        )

    def read_message(self, message: Message) -> bool:
        """See OrdinaryMedia."""
        return self._reader.read_messages([message], 0, self._now_utc, self.samples) == 1


class FlvDemuxer:
    """Turns the media messages of one publication into samples; its ingest is the only caller.

    Track 0 is called ``source`` or ``audio``, track n ``source<n+1>`` or ``audio<n+1>``.
    """

    def __init__(self) -> None:
        self._lanes: dict[tuple[MediaType, int], FlvLane] = {}
        self._metadata = Metadata(frozenset())
        self._tracks: tuple[Track, ...] = ()
        self._is_ready = False
        self._held: list[Demuxed] = []
        self._held_bytes = 0
        self._first_timestamp: int | None = None
        self._samples = 0
        self._bad_tags = 0
        self._bad_in_a_row = 0
        self._left_out = 0
        self._changes = 0
        self._changes_in_window = 0
        self._window_start_utc = 0.0
        self._reader: TagReader | None = None

    def push_all(self, messages: list[Message], now_utc: float, out: list[Demuxed]) -> None:
        """Messages that arrived together: the same as ``push`` for each.

        What they give is appended to ``out``, so that it is there when a later one raises.
        """
        index = 0
        while index < len(messages):
            reader = self._reader
            if reader is not None:
                before = len(out)
                index = reader.read_messages(messages, index, now_utc, out)
                self._count(len(out) - before)
            if index < len(messages):
                out += self.push(messages[index], now_utc)
                index += 1

    def begin_run(self, now_utc: float) -> OrdinaryRun | None:
        """For the messages to come, up to the first that is not ordinary; None: all go the long
        way. `end_run` follows, before anything else is pushed."""
        return None if self._reader is None else OrdinaryRun(self._reader, now_utc)

    def end_run(self, run: OrdinaryRun) -> list[Demuxed]:
        """What was taken, which is as if it had been pushed."""
        self._count(run.count)
        return run.samples

    def push_tags(self, data: Payload, position: int, now_utc: float, out: list[Demuxed]) -> int:
        """FLV tags that lie one after the other in ``data``, from ``position`` on: likewise.

        Gives where the first tag begins that is not all there, or that the next data begin with;
        where they lack the rest of a back pointer that is beyond their end.
        """
        while True:
            reader = self._reader
            if reader is not None:
                before = len(out)
                position = reader.read_tags(data, position, 0, now_utc, out)
                self._count(len(out) - before)
            tag = read_tag(data, position)
            if tag is None:
                return position
            message, position = tag
            out += self.push(message, now_utc)

    def push(self, message: Message, now_utc: float = 0.0) -> list[Demuxed]:
        """Tracks and samples of one audio, video, data or aggregate message, in order.

        ``now_utc`` is stamped on the samples as their capture time. Raises UnsupportedMedia for
        what we do not package and MalformedTag when there is nothing but garbage; both texts are
        fit for whoever publishes, and the demuxer is then dead.
        """
        out: list[Demuxed] = []
        try:
            self._receive(message, now_utc, out)
        except (MalformedTag, RtmpError, MediaError) as error:
            self._bad_tags += 1
            self._bad_in_a_row += 1
            if self._bad_in_a_row > MAX_BAD_TAGS:
                raise MalformedTag(f"{self._bad_in_a_row} unreadable tags: {error}") from error
        return out

    def _count(self, samples: int) -> None:
        if samples:
            self._bad_in_a_row = 0
            self._samples += samples

    def _prepare_reader(self) -> None:
        """Let C read what is ordinary for the tracks as they are now."""
        if native is None or not self._is_ready:
            return
        main = [lane for (_, track_id), lane in self._lanes.items() if not track_id]
        self._reader = native.TagReader(ordinary_rules(main))

    def statistics(self) -> DemuxerStatistics:
        """Counters so far."""
        return DemuxerStatistics(self._samples, self._bad_tags, self._left_out, self._changes)

    def _receive(self, message: Message, now_utc: float, out: list[Demuxed]) -> None:
        type_id = message.type_id
        if type_id == messages.VIDEO:
            packets = read_video_tag(message.payload)
        elif type_id == messages.AUDIO:
            packets = read_audio_tag(message.payload)
        elif type_id == messages.AGGREGATE:
            for part in _split_aggregate(message):
                self._receive(part, now_utc, out)
            return
        else:
            self._receive_data(message)
            return
        for packet in packets:
            self._receive_packet(packet, message.timestamp, now_utc, out)

    def _receive_data(self, message: Message) -> None:
        payload = message.payload
        if message.type_id == messages.DATA_AMF3 and payload[0] == 0:
            payload = payload[1:]
        metadata = read_metadata(read_values(payload))
        if metadata is not None:
            self._metadata = metadata

    def _receive_packet(
        self, packet: FlvPacket, timestamp: int, now_utc: float, out: list[Demuxed]
    ) -> None:
        slot = (packet.codec.media_type, packet.track_id)
        if packet.kind is PacketKind.CONFIG:
            self._configure(slot, packet, now_utc, out)
            return
        lane = self._lanes.get(slot)
        if packet.codec is Codec.MP3 and (lane is None or lane.codec is not Codec.MP3):
            # Its frames say all that others have a configuration for.
            self._configure(slot, packet._replace(body=_NO_CONFIG), now_utc, out)
            lane = self._lanes.get(slot)
        if lane is None or lane.codec is not packet.codec:
            if packet.track_id:
                self._left_out += 1
                return
            raise MalformedTag(f"{packet.codec.value} frames before their configuration")
        before = lane.track
        units = lane.read(packet)
        if lane.track is not before:
            self._change(now_utc, out)
            self._prepare_reader()
        for data, is_sync, _ in units:
            if data:
                pts = timestamp + packet.composition_offset
                sample = Sample(lane.name, timestamp, pts, data, is_sync, captured_utc=now_utc)
                self._deliver(sample, now_utc, out)

    def _deliver(self, sample: Sample, now_utc: float, out: list[Demuxed]) -> None:
        self._bad_in_a_row = 0
        self._samples += 1
        if self._is_ready:
            out.append(sample)
        else:
            self._hold(sample, now_utc, out)

    # -- tracks --------------------------------------------------------------------------------

    def _configure(
        self, slot: tuple[MediaType, int], packet: FlvPacket, now_utc: float, out: list[Demuxed]
    ) -> None:
        if not packet.body and packet.codec is not Codec.MP3:
            raise MalformedTag(f"empty {packet.codec.value} configuration")
        lane = self._lanes.get(slot)
        if lane is None:
            media, track_id = slot
            if sum(kind is media for kind, _ in self._lanes) >= MAX_TRACKS:
                self._left_out += 1
                return
            lane = FlvLane(_NAMES[media] + (str(track_id + 1) if track_id else ""))
        elif not lane.is_news(packet):
            return
        elif self._held:  # they belong to the configuration that ends here
            self._start(now_utc, out)
        lane.configure(packet, self._metadata.frame_rate)
        self._lanes[slot] = lane
        self._change(now_utc, out)
        self._prepare_reader()

    def _change(self, now_utc: float, out: list[Demuxed]) -> None:
        """Announce the tracks again when they differ; a repeated configuration does not."""
        if not self._is_ready:
            return
        tracks = self._list_tracks()
        if tracks == self._tracks:
            return
        if now_utc - self._window_start_utc > CHANGE_WINDOW_S:
            self._window_start_utc = now_utc
            self._changes_in_window = 0
        self._changes += 1
        self._changes_in_window += 1
        if self._changes_in_window > MAX_CHANGES:
            raise UnsupportedMedia(
                f"the tracks changed {MAX_CHANGES} times within {CHANGE_WINDOW_S:g} s"
            )
        self._tracks = tracks
        out.append(TracksReady(tracks))

    def _list_tracks(self) -> tuple[Track, ...]:
        order = sorted(self._lanes, key=lambda slot: (slot[0] is MediaType.AUDIO, slot[1]))
        known = (self._lanes[slot].track for slot in order)
        return tuple(self._metadata.complete(track) for track in known if track is not None)

    # -- the start -----------------------------------------------------------------------------

    def _hold(self, sample: Sample, now_utc: float, out: list[Demuxed]) -> None:
        self._held.append(sample)
        self._held_bytes += len(sample.data)
        if self._first_timestamp is None:
            self._first_timestamp = sample.dts
        waited_ms = (sample.dts - self._first_timestamp) % _WRAP
        present = {media for (media, _), lane in self._lanes.items() if lane.track is not None}
        if (
            present >= (self._metadata.announced or _BOTH)
            or TRACK_WAIT_MS <= waited_ms < _HALF
            or len(self._held) >= MAX_HELD_SAMPLES
            or self._held_bytes >= MAX_HELD_BYTES
        ):
            self._start(now_utc, out)

    def _start(self, now_utc: float, out: list[Demuxed]) -> None:
        self._is_ready = True
        self._change(now_utc, out)
        self._prepare_reader()
        out += self._held
        self._held.clear()


def in_runs(items: list[Demuxed]) -> list[TracksReady | list[Sample]]:
    """What a demuxer gave, with the samples that follow each other together."""
    if TracksReady not in map(type, items):
        return [cast(list[Sample], items)] if items else []
    runs: list[TracksReady | list[Sample]] = []
    for kind, run in itertools.groupby(items, type):
        together = list(run)
        if kind is TracksReady:
            runs += cast(list[TracksReady], together)
        else:
            runs.append(cast(list[Sample], together))
    return runs


def read_tag(data: Payload, position: int) -> tuple[Message, int] | None:
    """The FLV tag at ``position`` as a message, and where the next one begins; None if cut off."""
    start = position + _TAG_HEADER_BYTES
    header = data[position:start]
    if len(header) < _TAG_HEADER_BYTES:
        return None
    end = start + int.from_bytes(header[1:4], "big")
    if end > len(data):
        return None
    timestamp = int.from_bytes(header[4:7], "big") | header[7] << 24
    return Message(header[0], timestamp, 1, bytes(data[start:end])), end + _BACK_POINTER_BYTES


def _split_aggregate(message: Message) -> list[Message]:
    """The FLV tags within an aggregate message (RTMP 1.0, 7.1.6)."""
    payload = message.payload
    parts: list[Message] = []
    position = 0
    shift: int | None = None
    while position < len(payload):
        start = position + _TAG_HEADER_BYTES
        header = payload[position:start]
        size = int.from_bytes(header[1:4], "big")
        if len(header) < _TAG_HEADER_BYTES or start + size > len(payload):
            raise MalformedTag("aggregate message is cut off")
        time = int.from_bytes(header[4:7], "big") | header[7] << 24
        if shift is None:
            shift = message.timestamp - time
        if header[0] != messages.AGGREGATE and size:
            part = payload[start : start + size]
            parts.append(Message(header[0], (time + shift) % _WRAP, message.stream_id, part))
        position = start + size + _BACK_POINTER_BYTES
    return parts
