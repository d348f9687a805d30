"""Opus: dOps (Opus in ISOBMFF 4.3.2), OpusHead (RFC 7845 5.1) and packets (RFC 6716 3).

The three say the same with different byte order. All functions take a peer's bytes and raise
MediaError, nothing else.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from segmenter.errors import MediaError

SAMPLE_RATE = 48_000
"""Hz; Opus decodes at 48 kHz whatever went in, and its track has this timescale."""

MAX_PACKET_TICKS = 5760
"""120 ms, the longest packet (RFC 6716 3.2.5)."""

_MAGIC = b"OpusHead"
_DOPS = struct.Struct(">BBHIhB")
_HEAD = struct.Struct("<BBHIhB")

_SILK_TICKS = (480, 960, 1920, 2880)
_HYBRID_TICKS = (480, 960)
_CELT_TICKS = (120, 240, 480, 960)
_FRAME_TICKS = _SILK_TICKS * 3 + _HYBRID_TICKS * 2 + _CELT_TICKS * 4
"""48 kHz ticks of a frame by the five configuration bits (RFC 6716 table 2)."""
_IS_VBR = 0x80
_ONE_BYTE_SIZE = 251


@dataclass(frozen=True, slots=True)
class OpusConfig:
    """What dOps and OpusHead say."""

    channels: int
    pre_skip: int
    """48 kHz samples to drop at the start."""
    input_sample_rate: int
    """Hz, of what the encoder was given; for information only."""
    output_gain: int = 0
    """Q7.8 decibels."""
    mapping_family: int = 0
    """0 mono or stereo, 1 surround in Vorbis order."""
    streams: int = 1
    coupled_streams: int = 0
    mapping: bytes = b""
    """Decoded channel of each output channel; empty for family 0."""


def parse_dops(dops: bytes) -> OpusConfig:
    """Parse the content of a dOps box. Raises MediaError."""
    if len(dops) < _DOPS.size or dops[0] != 0:
        raise MediaError(f"not the content of dOps: {bytes(dops[:11]).hex()}")
    return _config_from(_DOPS, dops)


def write_dops(config: OpusConfig) -> bytes:
    """The content of a dOps box."""
    return _write(_DOPS, 0, config)


def parse_opus_head(head: bytes) -> OpusConfig:
    """Parse an OpusHead identification header, magic included. Raises MediaError."""
    body = head[len(_MAGIC) :]
    # The upper half of the version is the major one (RFC 7845 5.1).
    if head[: len(_MAGIC)] != _MAGIC or len(body) < _HEAD.size or body[0] >> 4:
        raise MediaError(f"not an OpusHead: {bytes(head[:19]).hex()}")
    return _config_from(_HEAD, body)


def write_opus_head(config: OpusConfig) -> bytes:
    """An OpusHead identification header, magic included."""
    return _MAGIC + _write(_HEAD, 1, config)


def dops_from_opus_head(head: bytes) -> bytes:
    """The content of dOps that says what ``head`` says. Raises MediaError."""
    return write_dops(parse_opus_head(head))


def _config_from(layout: struct.Struct, body: bytes) -> OpusConfig:
    _, channels, pre_skip, rate, gain, family = layout.unpack_from(body)
    if family == 0:
        if channels not in (1, 2):
            raise MediaError(f"Opus mapping family 0 with {channels} channels")
        return OpusConfig(channels, pre_skip, rate, gain, 0, 1, channels - 1)
    table = body[layout.size : layout.size + 2 + channels]
    if channels == 0 or len(table) < 2 + channels:
        raise MediaError(f"Opus channel mapping table of {len(table)} bytes, {channels} channels")
    streams, coupled, mapping = table[0], table[1], bytes(table[2:])
    decoded = streams + coupled
    if streams == 0 or coupled > streams or any(i >= decoded and i != 255 for i in mapping):
        raise MediaError(f"Opus channel mapping {bytes(table).hex()}")
    return OpusConfig(channels, pre_skip, rate, gain, family, streams, coupled, mapping)


def _write(layout: struct.Struct, version: int, config: OpusConfig) -> bytes:
    head = layout.pack(
        version,
        config.channels,
        config.pre_skip,
        config.input_sample_rate,
        config.output_gain,
        config.mapping_family,
    )
    if config.mapping_family == 0:
        return head
    return head + bytes((config.streams, config.coupled_streams)) + config.mapping


def join_packets(packets: Sequence[bytes]) -> list[bytes]:
    """The same frames in as few packets as can be: neighbours with the same configuration in one.

    Each of ``packets`` holds one frame (code 0), as encoders make them, or stays alone.
    """
    joined: list[bytes] = []
    group: list[bytes] = []
    for packet in packets:
        most = MAX_PACKET_TICKS // packet_duration(packet)
        if group and (packet[0] != group[0][0] or packet[0] & 3 or len(group) == most):
            joined.append(_join(group))
            group = []
        group.append(packet)
    return [*joined, _join(group)] if group else joined


def _join(packets: list[bytes]) -> bytes:
    """RFC 6716 3.2.5: code 3, frames of sizes of their own."""
    if len(packets) == 1:
        return packets[0]
    frames = [packet[1:] for packet in packets]
    sizes = b"".join(_frame_size(len(frame)) for frame in frames[:-1])
    head = bytes((packets[0][0] | 3, _IS_VBR | len(frames)))
    return head + sizes + b"".join(frames)


def _frame_size(size_bytes: int) -> bytes:
    """RFC 6716 3.2.1: up to 251 in one byte, up to 1275 in two."""
    if size_bytes <= _ONE_BYTE_SIZE:
        return bytes((size_bytes,))
    first = _ONE_BYTE_SIZE + 1 + (size_bytes & 3)
    return bytes((first, size_bytes - first >> 2))


def packet_duration(packet: bytes | memoryview) -> int:
    """48 kHz ticks that a packet lasts, from its first two bytes. Raises MediaError."""
    if not packet:
        raise MediaError("empty Opus packet")
    ticks = _FRAME_TICKS[packet[0] >> 3]
    code = packet[0] & 3
    if code == 0:
        return ticks
    if code != 3:
        return 2 * ticks
    if len(packet) < 2:
        raise MediaError("Opus packet ends before its frame count")
    total = ticks * (packet[1] & 0x3F)
    if not 0 < total <= MAX_PACKET_TICKS:
        raise MediaError(f"Opus packet of {total} ticks of 1/48000 s")
    return total
