"""Fuzz targets of RTMP ingest: a peer's bytes may cost it its connection, nothing else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from segmenter.media import Sample
from streaming.errors import PublishRejected, RemoteError, RtmpError
from streaming.ingest.flv import FlvDemuxer, TracksReady
from streaming.ingest.flv_tag import read_audio_tag, read_video_tag
from streaming.ingest.rtmp.amf0 import read_values, write_values
from streaming.ingest.rtmp.chunk_stream import ChunkReader
from streaming.ingest.rtmp.connection import RtmpConnection
from streaming.ingest.rtmp.connection_state import State
from streaming.ingest.rtmp.events import ConnectionClosed
from streaming.ingest.rtmp.handshake import NONCE_BYTES
from streaming.ingest.rtmp.messages import AUDIO, DATA_AMF0, VIDEO, Message
from streaming.ingest.rtmp.stream_name import read_stream_name
from tests.streaming.ingest.rtmp import wire

_NONCE = bytes(NONCE_BYTES)
_SESSION = b"".join(
    (
        wire.connect(),
        wire.command("releaseStream", 2, None, "foo"),
        wire.command("createStream", 4, None),
        wire.command("publish", 5, None, "foo?key=secret", "live", stream_id=1),
        wire.message(1, (4096).to_bytes(4, "big"), chunk_stream=2),
        wire.message(DATA_AMF0, write_values("@setDataFrame", "onMetaData", {"videocodecid": 7})),
        wire.message(VIDEO, wire.VIDEO_CONFIG_TAG),
        wire.message(VIDEO, wire.KEY_TAG, time=0x7FFFFFFF),
        wire.message(AUDIO, wire.AUDIO_CONFIG_TAG, chunk_stream=4),
        wire.message(AUDIO, wire.SOUND_TAG, time=21, chunk_stream=4),
        wire.command("FCUnpublish", 6, None, "foo"),
    )
)
_MP3_TAG = b"\x2f\xff\xe3\x18\xc4".ljust(25, b"\0")
"""A frame of 8 kHz, 8 kbit/s, mono, and a byte too many."""
_MEDIA = (
    (VIDEO, wire.VIDEO_CONFIG_TAG),
    (AUDIO, wire.AUDIO_CONFIG_TAG),
    (VIDEO, wire.KEY_TAG),
    (AUDIO, wire.SOUND_TAG),
)


def fuzz_chunks(data: bytes) -> None:
    """Chunks in one read, and in reads whose size the first byte says: the same messages."""
    whole = _read_chunks([data])
    size = data[0] % 64 + 1 if data else 1
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    assert _read_chunks(pieces) == whole


def _read_chunks(pieces: list[bytes]) -> list[Message]:
    """The messages up to an error, which in a longer read takes its whole read with it."""
    reader = ChunkReader()
    messages: list[Message] = []
    try:
        for piece in pieces:
            messages += reader.push(piece)
    except RtmpError:
        return []
    return messages


def fuzz_amf0(data: bytes) -> None:
    """Values; what could be read can be written and is then read as the same."""
    values = read_values(data)
    again = read_values(write_values(*values))
    assert repr(again) == repr(values), "repr, since NaN is not itself"


def fuzz_handshake(data: bytes) -> None:
    """Whatever comes first, in three pieces."""
    connection = RtmpConnection(_NONCE)
    third = len(data) // 3
    for piece in (data[:third], data[third : 2 * third], data[2 * third :]):
        connection.receive_data(piece)
        connection.data_to_send()
    connection.handle_timer(1.0)


def fuzz_connection(data: bytes) -> None:
    """Whatever comes after the handshake; the door accepts everybody."""
    connection = RtmpConnection(_NONCE)
    connection.receive_data(wire.handshake())
    half = len(data) // 2
    for piece in (data[:half], data[half:], b""):
        connection.receive_data(piece)
        if connection.state is State.PUBLISH_PENDING:
            connection.accept_publish()
        connection.handle_timer(1.0)
        connection.data_to_send()
    connection.handle_timer(100.0)
    connection.handle_timer(200.0)
    connection.handle_timer(300.0)
    last = None
    while (event := connection.next_event()) is not None:
        assert type(last) is not ConnectionClosed
        last = event


def fuzz_flv(data: bytes) -> None:
    """Media messages behind honest ones: each a length byte pair, a type byte, a time byte."""
    demuxer = FlvDemuxer()
    for type_id, payload in _MEDIA:
        demuxer.push(Message(type_id, 0, 1, payload))
    position = 0
    while position + 4 <= len(data):
        length = int.from_bytes(data[position : position + 2], "big") % 512
        type_id, time = data[position + 2] % 32, data[position + 3]
        payload = data[position + 4 : position + 4 + length]
        position += 4 + length
        if not payload:
            continue
        for item in demuxer.push(Message(type_id, time << 24, 1, payload)):
            assert isinstance(item, (Sample, TracksReady))
    demuxer.statistics()


def fuzz_enhanced(data: bytes) -> None:
    """One tag, legacy or enhanced, as video and as audio."""
    for read in (read_video_tag, read_audio_tag):
        with suppress(RemoteError):
            packets = read(data)
            assert all(len(packet.body) <= len(data) for packet in packets)


def fuzz_stream_name(data: bytes) -> None:
    """App, stream name and URL, separated by zero bytes."""
    app, stream, url = (*data.decode("utf-8", "replace").split("\0"), "", "", "")[:3]
    try:
        request = read_stream_name(app, stream, url)
    except PublishRejected:
        return
    assert request.path == request.path.strip("/")


TARGETS: dict[str, Callable[[bytes], None]] = {
    "rtmp_chunks": fuzz_chunks,
    "rtmp_amf0": fuzz_amf0,
    "rtmp_handshake": fuzz_handshake,
    "rtmp_connection": fuzz_connection,
    "rtmp_flv": fuzz_flv,
    "rtmp_enhanced": fuzz_enhanced,
    "rtmp_stream_name": fuzz_stream_name,
}

SEEDS: dict[str, tuple[bytes, ...]] = {
    "rtmp_chunks": (_SESSION,),
    "rtmp_amf0": (
        write_values("connect", 1, {"app": "live", "capsEx": 15, "fourCcList": ["*", "hvc1"]}),
        b"\x08\x00\x00\x00\x01\x00\x01a\x0b" + bytes(10) + b"\x00\x00\x09",
    ),
    "rtmp_connection": (_SESSION,),
    "rtmp_flv": tuple(
        len(payload).to_bytes(2, "big") + bytes((type_id, 1)) + payload
        for type_id, payload in (*_MEDIA, (AUDIO, _MP3_TAG), (AUDIO, b"\x91.mp3" + _MP3_TAG[1:]))
    ),
    "rtmp_enhanced": (
        wire.KEY_TAG,
        wire.SOUND_TAG,
        b"\x90hvc1config",
        b"\xa1hvc1\x00\x00\x21nals",
        b"\x97\x02\x00\x00\x01\x03av01frame",
        b"\x96\x11avc1\x00\x00\x00\x05\x00\x00\x21aa\x02\x00\x00\x04\x00\x00\x00b",
        b"\x95\x20mp4a\x00\x00\x00\x02aaOpus\x01\x00\x00\x03bbb",
    ),
    "rtmp_stream_name": (b"live\0foo?key=secret&a=b\0rtmp://host/live?x=y",),
}
